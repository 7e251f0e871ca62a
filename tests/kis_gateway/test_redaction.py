"""No log line shows a secret, whichever way it got into the line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime
from deploy import logs
from kis_gateway.client.redaction import RedactingFilter, Redaction, forms, guard_logs
from kis_gateway.settings import Secret

VARIABLES = {
    "KST_KIS_APP_KEY": "PSkeykeykeykeykeykeykeykeykeykeykey1",
    "KST_KIS_APP_SECRET": "verysecretverysecretverysecret+/=",
    "KST_KIS_ACCOUNT": "64738291-01",
    "KST_KIS_HTS_ID": "htsuser7",
}


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "gateway.jsonl"
    with logs.writing_to(file, account="paper", service="gateway", run="1", time=ManualTime(0)):
        early = structlog.get_logger().bind(bound="early")
        guard_logs(VARIABLES)
        guard_logs(VARIABLES)
        early.info("first", key=VARIABLES["KST_KIS_APP_KEY"])
        yield file


def fail(text: str) -> None:
    raise RuntimeError(f"refused: {text}")


def test_no_form_of_a_secret_reaches_the_log_file(log_file: Path) -> None:
    """Values, names, tracebacks, messages of libraries, an account in its three forms."""
    log = structlog.get_logger()
    log.info("told", body={"appsecret": [VARIABLES["KST_KIS_APP_SECRET"]]})
    log.info("of htsuser7", **{"64738291": "6473829101", "dashed": "64738291-01"})
    try:
        fail("CANO=64738291")
    except RuntimeError:
        log.exception("broken")
    logging.getLogger("httpx").warning("GET %s", "https://kis/?CANO=64738291")
    token = Secret("eyJhbGciOiJIUzUxMiJ9.of-this-morning")
    log.info("issued", header=f"Bearer {token.reveal()}")
    text = log_file.read_text()
    for secret in (*VARIABLES.values(), "64738291", token.reveal()):
        assert secret not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == [
        "first",
        "told",
        "of ***",
        "broken",
        "library_message",
        "issued",
    ]
    assert lines[0]["key"] == "***"
    assert "refused: CANO=***" in lines[3]["exception"]
    assert lines[5]["header"] == "Bearer ***"


def test_a_standard_handler_prints_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Message, arguments and traceback."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter(Redaction({"topsecret"})))
    logger = logging.Logger("separate")
    logger.addHandler(handler)
    try:
        fail("topsecret")
    except RuntimeError:
        logger.exception("asked with %s", "topsecret")
    printed = capsys.readouterr().err
    assert "asked with ***" in printed
    assert "RuntimeError: refused: ***" in printed
    assert "topsecret" not in printed


def test_short_texts_are_left_alone() -> None:
    """Five characters protect nothing and occur everywhere."""
    assert Redaction({"", "token"}).text("a token") == "a token"


def test_an_account_has_three_forms() -> None:
    """Whole, with a dash, and without the product."""
    assert forms("1234567801") == ("1234567801", "12345678-01", "12345678")
    assert forms("a" * 10) == ("a" * 10,)


texts = st.text(st.characters(exclude_characters="*"), max_size=12)


@given(st.sets(texts.filter(lambda each: len(each) >= 6), min_size=1, max_size=4), st.lists(texts))
def test_whatever_surrounds_it_a_secret_is_gone(secrets: set[str], between: list[str]) -> None:
    """Overlaps and prefixes of one another included."""
    text = "".join(part + secret for part in between for secret in secrets)
    for part in Redaction(secrets).text(text).split("***"):
        assert not any(secret in part for secret in secrets)
