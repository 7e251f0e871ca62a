"""Prints a page through a Chromium or Chrome of this machine: PDF for paper, PNG for a picture.

The page draws itself, so a program that runs scripts must print it. What always holds: the browser
loads nothing but the page, keeps nothing, and is gone when the call returns.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from research.reports.errors import BrowserFailed, NoBrowser

VARIABLE: Final = "KST_BROWSER"
"""Environment variable that names the program to use."""

PROGRAMS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
"""Programs that are looked for, in order."""

WIDTH: Final = 1_440
"""Pixels that a picture is wide."""

_SECONDS: Final = 120
_HEIGHT: Final = re.compile(rb'<html[^>]* data-height="(\d+)"')
_TALLEST: Final = 16_000
"""Chromium draws nothing beyond 16,384 pixels."""


def find_browser(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the program that prints pages.

    Raises:
        NoBrowser: none of the known ones is there, or what ``KST_BROWSER`` names is not.
    """
    named = environment.get(VARIABLE, "")
    looked_for = (named,) if named else PROGRAMS
    for each in looked_for:
        found = shutil.which(each, path=environment.get("PATH"))
        if found is not None:
            return Path(found)
    raise NoBrowser(looked_for)


def print_pdf(page: Path, path: Path, *, browser: Path | None = None) -> Path:
    """Print a page on A4 and return the PDF's path.

    Raises:
        NoBrowser: there is no browser on this machine.
        BrowserFailed: it left no file.
    """
    program = browser or find_browser()
    _run(program, page, path, "--no-pdf-header-footer", f"--print-to-pdf={path.resolve()}")
    return path


def print_png(page: Path, path: Path, *, browser: Path | None = None) -> Path:
    """Draw a page from top to bottom, ``WIDTH`` pixels wide, and return the picture's path.

    What is taller than 16,000 pixels is cut off there.

    Raises:
        NoBrowser: there is no browser on this machine.
        BrowserFailed: it left no file.
    """
    program = browser or find_browser()
    drawn = _run(program, page, None, f"--window-size={WIDTH},900", "--dump-dom")
    found = _HEIGHT.search(drawn)
    height = min(int(found[1]) if found else 900, _TALLEST)
    _run(
        program,
        page,
        path,
        "--hide-scrollbars",
        f"--window-size={WIDTH},{height}",
        f"--screenshot={path.resolve()}",
    )
    return path


def _run(program: Path, page: Path, wanted: Path | None, *arguments: str) -> bytes:
    if wanted is not None:
        wanted.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="kst-browser-") as profile:
        command = [str(program), *_always(profile), *arguments, page.resolve().as_uri()]
        try:
            ended = subprocess.run(  # noqa: S603 - our own arguments, no shell
                command, capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrowserFailed(program, wanted or page, str(error)) from error
    if ended.returncode or (wanted is not None and not wanted.exists()):
        raise BrowserFailed(program, wanted or page, _last_line(ended.stderr))
    return ended.stdout


def _always(profile: str) -> Iterator[str]:
    yield "--headless"
    yield f"--user-data-dir={profile}"
    yield "--disable-gpu"
    yield "--disable-extensions"
    yield "--disable-background-networking"
    yield "--no-first-run"
    # Scripts may take so many milliseconds of the page's own time before it is printed.
    yield "--virtual-time-budget=30000"
    if os.name == "posix" and os.geteuid() == 0:
        # Chromium refuses its sandbox to root; the page is our own and loads nothing.
        yield "--no-sandbox"


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
