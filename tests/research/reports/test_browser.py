"""Printing: through whatever browser is there, and a plain word when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from research.reports import BrowserFailed, NoBrowser, find_browser, print_pdf, print_png
from research.reports.document import report
from research.reports.errors import ReportError
from research.reports.page import write
from tests.research.reports.made_up import made_up_result

OBEDIENT = """#!/bin/sh
echo "$@" >> "{log}"
for each in "$@"; do
  case "$each" in
    --print-to-pdf=*) echo "%PDF-" > "${{each#--print-to-pdf=}}" ;;
    --screenshot=*) echo PNG > "${{each#--screenshot=}}" ;;
    --dump-dom) echo '<html lang="en" data-height="{height}" data-ready="true">' ;;
  esac
done
"""


def program(folder: Path, script: str) -> Path:
    path = folder / "chromium"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return write(tmp_path / "a page.html", "<html></html>")


def test_the_named_program_is_used(tmp_path: Path) -> None:
    named = program(tmp_path, "#!/bin/sh\n")
    assert find_browser({"KST_BROWSER": str(named), "PATH": ""}) == named


def test_programs_are_found_on_the_path(tmp_path: Path) -> None:
    found = program(tmp_path, "#!/bin/sh\n")
    assert find_browser({"PATH": str(tmp_path)}) == found


def test_without_a_browser_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoBrowser, match="looked for /nowhere/chrome") as caught:
        find_browser({"KST_BROWSER": "/nowhere/chrome", "PATH": str(tmp_path)})
    assert isinstance(caught.value, ReportError)
    assert "KST_BROWSER" in caught.value.remedy


def test_a_pdf_is_what_the_browser_prints(tmp_path: Path, page: Path) -> None:
    log = tmp_path / "log"
    browser = program(tmp_path, OBEDIENT.format(log=log, height=0))
    path = print_pdf(page, tmp_path / "page.pdf", browser=browser)
    assert path.read_text() == "%PDF-\n"
    (arguments,) = log.read_text().splitlines()
    assert arguments.endswith("/a%20page.html")
    assert "--headless" in arguments


@pytest.mark.parametrize(("height", "drawn"), [(7_021, 7_021), (90_000, 16_000)])
def test_a_picture_is_as_tall_as_the_page(
    tmp_path: Path, page: Path, height: int, drawn: int
) -> None:
    log = tmp_path / "log"
    browser = program(tmp_path, OBEDIENT.format(log=log, height=height))
    print_png(page, tmp_path / "page.png", browser=browser)
    assert f"--window-size=1440,{drawn} " in log.read_text().splitlines()[1]


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\necho broken >&2\nexit 3\n"])
def test_a_browser_that_leaves_nothing_is_an_error(tmp_path: Path, page: Path, script: str) -> None:
    before = tmp_path / "page.pdf"
    before.write_text("of an earlier time")
    with pytest.raises(BrowserFailed, match=r"page\.pdf: (it said nothing|broken)"):
        print_pdf(page, before, browser=program(tmp_path, script))
    assert not before.exists()


def test_what_is_no_program_is_an_error(tmp_path: Path, page: Path) -> None:
    with pytest.raises(BrowserFailed):
        print_pdf(page, tmp_path / "page.pdf", browser=page)


@pytest.mark.slow
def test_a_real_browser_draws_the_page(tmp_path: Path) -> None:
    try:
        browser = find_browser()
    except NoBrowser:
        pytest.skip("no Chromium or Chrome on this machine")
    from research.reports import browser as module

    path = write(tmp_path / "page.html", report(made_up_result(sessions=20, every=10)))
    drawn = module._run(browser, path, None, "--dump-dom").decode()
    assert 'data-ready="true"' in drawn
    assert drawn.count('class="main-svg"') >= 6
    assert '<tr class="row">' in drawn
    assert 'id="trouble" role="alert" hidden' in drawn
    assert print_pdf(path, tmp_path / "page.pdf", browser=browser).read_bytes()[:5] == b"%PDF-"
