"""Reports: results of backtests as pages that open anywhere, also without a network.

    write_report(result, Path("run.html"), benchmark=Index(name="KOSPI", levels=levels))
    print_pdf(Path("run.html"), Path("run.pdf"))

A page is one HTML file with its script, style and rows inside.
"""

from research.reports.browser import find_browser, print_pdf, print_png
from research.reports.document import Index, write_report
from research.reports.errors import BrowserFailed, NoBrowser, ReportError
from research.reports.robustness import Robustness, robustness
from research.reports.sweep_document import write_sweep_report

__all__ = [
    "BrowserFailed",
    "Index",
    "NoBrowser",
    "ReportError",
    "Robustness",
    "find_browser",
    "print_pdf",
    "print_png",
    "robustness",
    "write_report",
    "write_sweep_report",
]
