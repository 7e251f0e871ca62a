"""Names: deterministic ids, subjects built and parsed in one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import AccountId, StrategyId, Symbol, TradingDate, subjects
from events.errors import InvalidIdentifier, InvalidSubject
from events.identifiers import fill_id, intent_id, order_id, require_token

TOKENS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


def test_ids_are_built_from_facts() -> None:
    """The same facts give the same readable id."""
    intent = intent_id(TradingDate("20250915"), StrategyId("KMP"), Symbol("005930"), "E", 1)
    assert intent == "20250915-KMP-005930-E1"
    assert order_id(intent, 1) == "20250915-KMP-005930-E1-O1"
    assert fill_id(order_id(intent, 1), 120) == "20250915-KMP-005930-E1-O1-F120"


@pytest.mark.parametrize("bad", ["", "a.b", "a b", "a*", "가", "x" * 97])
def test_an_id_that_would_break_a_subject_is_refused(bad: str) -> None:
    """Dots, blanks, wildcards and foreign letters never reach a subject."""
    with pytest.raises(InvalidIdentifier, match="account"):
        require_token("account", bad)
    with pytest.raises(InvalidIdentifier):
        subjects.subject(AccountId(bad), "market.clock")


@given(TOKENS, TOKENS)
def test_subjects_parse_back(account: str, key: str) -> None:
    """parse(subject(…)) returns the parts."""
    text = subjects.subject(AccountId(account), f"trading.order.{key}")
    assert subjects.parse(text) == (account, "trading", "order", key)


def test_subjects_without_a_key_parse_too() -> None:
    """The clock, the account and services have no key."""
    assert subjects.parse("kst.demo.market.clock") == ("demo", "market", "clock", None)
    assert subjects.parse("kst.demo.ops.gateway") == ("demo", "ops", "gateway", None)
    assert subjects.pattern(AccountId("demo"), "market.trade.*") == "kst.demo.market.trade.*"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kst",
        "other.demo.market.clock",
        "kst.demo.market.rumour.x",
        "kst.demo.weather.today",
        "kst.demo.market.clock.extra",
        "kst.demo.market.trade",
        "kst.demo.market.trade.",
        "kst..market.trade.A",
        "kst.demo.ops.a.b",
    ],
)
def test_foreign_subjects_are_refused(text: str) -> None:
    """Everything outside the naming scheme is an error that shows the subject."""
    with pytest.raises(InvalidSubject):
        subjects.parse(text)
