"""What the broker calls each real-time feed and its subjects, and where a feed exists.

What always holds: a feed that the environment lacks is refused here, before a registration leaves;
KIS acknowledges what does not exist and then sends nothing. Market-wide feeds are registered by
index code; an index without a name of ours is called by its four-digit code.

Member-firm feeds (H0STMBC0, H0NXMBC0, H0UNMBC0) and those of the after-hours single-price market,
which ended on 2026-09-13, have no ``Feed`` and cannot be subscribed.

Source: KIS Open API documentation of the real-time feeds; index codes of its sector code file.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.signal import Feed
from kis_gateway.errors import FeedUnavailable
from kis_gateway.protocol import feed_form
from kis_gateway.settings import Environment

_TR_IDS: Final = {
    Feed.TRADES: "H0STCNT0",
    Feed.QUOTES: "H0STASP0",
    Feed.EXPECTED: "H0STANC0",
    Feed.PROGRAM: "H0STPGM0",
    Feed.OPERATION: "H0STMKO0",
    Feed.NAV: "H0STNAV0",
    Feed.INDEX: "H0UPCNT0",
    Feed.INDEX_EXPECTED: "H0UPANC0",
    Feed.INDEX_PROGRAM: "H0UPPGM0",
    Feed.NXT_TRADES: "H0NXCNT0",
    Feed.NXT_QUOTES: "H0NXASP0",
    Feed.NXT_EXPECTED: "H0NXANC0",
    Feed.NXT_PROGRAM: "H0NXPGM0",
    Feed.NXT_OPERATION: "H0NXMKO0",
    Feed.UNIFIED_TRADES: "H0UNCNT0",
    Feed.UNIFIED_QUOTES: "H0UNASP0",
    Feed.UNIFIED_EXPECTED: "H0UNANC0",
    Feed.UNIFIED_PROGRAM: "H0UNPGM0",
    Feed.UNIFIED_OPERATION: "H0UNMKO0",
}
_FEEDS: Final = {tr_id: feed for feed, tr_id in _TR_IDS.items()}

_OF_INDICES: Final = frozenset({Feed.INDEX, Feed.INDEX_EXPECTED, Feed.INDEX_PROGRAM})

_INDEX_CODES: Final = {
    "KOSPI": "0001",
    "KOSDAQ": "1001",
    "KOSPI200": "2001",
    "KOSDAQ150": "3003",
    "KRX100": "4001",
}
_INDEX_NAMES: Final = {code: name for name, code in _INDEX_CODES.items()}


def tr_of(feed: Feed) -> str:
    """Return the TR id under which the broker sends a feed."""
    return _TR_IDS[feed]


def feed_of(tr_id: str) -> Feed | None:
    """Return the feed of a TR id; ``None`` for own notices and for what cannot be subscribed."""
    return _FEEDS.get(tr_id)


def registration_key(feed: Feed, symbol: Symbol) -> str:
    """Return the key of a registration: the issue code, or the code of an index by its name.

    Raises:
        FeedUnavailable: the feed is one of indices and there is no index of that name.
    """
    if feed not in _OF_INDICES:
        return symbol
    code = _INDEX_CODES.get(symbol, symbol)
    if len(code) != 4 or not (code.isascii() and code.isdigit()):
        raise FeedUnavailable(
            feed, symbol, f"no index of this name: one of {', '.join(_INDEX_CODES)} or its code"
        )
    return code


def symbol_of(feed: Feed, key: str) -> Symbol:
    """Return what a registration is about, the inverse of ``registration_key``."""
    return Symbol(index_name(key) if feed in _OF_INDICES else key)


def index_name(code: str) -> str:
    """Return the name of an index code, the code itself when it has none."""
    return _INDEX_NAMES.get(code, code)


def require_available(feed: Feed, symbol: Symbol, environment: Environment) -> None:
    """Refuse a feed that the environment does not send.

    Raises:
        FeedUnavailable: the paper service has trades, order books and own notices of KRX only.
    """
    if environment is Environment.PAPER and not feed_form(tr_of(feed)).on_paper:
        raise FeedUnavailable(
            feed, symbol, "the paper service does not send it; take quotes from a real key"
        )
