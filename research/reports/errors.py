"""What can go wrong with a report.

ReportError            what is wrong, and what to do about it
├── NoBrowser          a PDF or picture is wanted and no Chromium or Chrome can be found
└── BrowserFailed      the browser ended without the file that it was asked for

Every error carries ``what`` and ``remedy``; ``str()`` joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ReportError(Exception):
    """Base of the room's errors. ``what`` is wrong and the ``remedy`` that a person can apply."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


class NoBrowser(ReportError):
    """There is no program that can print a page."""

    def __init__(self, looked_for: Sequence[str]) -> None:
        super().__init__(
            f"no browser was found: looked for {', '.join(looked_for)}",
            "Install Chromium or Chrome, name its program in KST_BROWSER, or open the HTML file in "
            "any browser and print it from there.",
        )
        self.looked_for = tuple(looked_for)


class BrowserFailed(ReportError):
    """The browser was started and did not leave the file."""

    def __init__(self, program: Path, wanted: Path, said: str) -> None:
        super().__init__(
            f"{program} did not write {wanted}: {said or 'it said nothing'}",
            "Open the HTML file in a browser and print it from there.",
        )
        self.program = program
        self.wanted = wanted
