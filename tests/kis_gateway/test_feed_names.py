"""Feeds and indices under the broker's names, and which feeds exist where."""

from __future__ import annotations

import pytest

from events import Symbol
from events.signal import Feed
from kis_gateway.errors import FeedUnavailable, SubscriptionRefused
from kis_gateway.feed_names import (
    feed_of,
    registration_key,
    require_available,
    symbol_of,
    tr_of,
)
from kis_gateway.frames import KNOWN_WIDTHS
from kis_gateway.settings import Environment


def test_every_feed_has_a_tr_id_that_is_read() -> None:
    """A feed that can be subscribed must be one whose frames are decoded."""
    assert {tr_of(feed) for feed in Feed} <= set(KNOWN_WIDTHS)
    assert [feed_of(tr_of(feed)) for feed in Feed] == list(Feed)
    assert feed_of("H0STCNI0") is None
    assert feed_of("H0STMBC0") is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("KOSPI", "0001"),
        ("KOSDAQ", "1001"),
        ("KOSPI200", "2001"),
        ("KOSDAQ150", "3003"),
        ("KRX100", "4001"),
        ("0013", "0013"),
    ],
)
def test_indices_are_registered_by_code(name: str, code: str) -> None:
    """Sector indices without a name of ours go by their code."""
    for feed in (Feed.INDEX, Feed.INDEX_EXPECTED, Feed.INDEX_PROGRAM):
        assert registration_key(feed, Symbol(name)) == code
        assert symbol_of(feed, code) == name


def test_issues_are_registered_by_their_code() -> None:
    """An ETN keeps its Q."""
    assert registration_key(Feed.NXT_TRADES, Symbol("005930")) == "005930"
    assert registration_key(Feed.QUOTES, Symbol("Q500061")) == "Q500061"
    assert symbol_of(Feed.NXT_TRADES, "005930") == "005930"


def test_an_unknown_index_is_refused_before_anything_is_sent() -> None:
    """KIS would acknowledge it and then send nothing."""
    with pytest.raises(FeedUnavailable, match="KOSPI200"):
        registration_key(Feed.INDEX, Symbol("NIKKEI"))


def test_the_paper_service_has_trades_and_books_of_krx_only() -> None:
    """Everything else is a feed of the real service."""
    symbol = Symbol("005930")
    on_paper = {Feed.TRADES, Feed.QUOTES}
    for feed in Feed:
        require_available(feed, symbol, Environment.REAL)
        if feed in on_paper:
            require_available(feed, symbol, Environment.PAPER)
            continue
        with pytest.raises(SubscriptionRefused) as caught:
            require_available(feed, symbol, Environment.PAPER)
        assert caught.value.code == "NO_SUCH_FEED"
