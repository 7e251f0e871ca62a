"""Which real-time feeds a simulated service has, who listens to each, and what waits for them."""

from __future__ import annotations

from typing import Final

from events.market import Venue
from kis_gateway.protocol import feed_forms
from kis_gateway.simulator.feeds.connections import Absentee, Connection
from kis_gateway.simulator.settings import SimulatorSettings

TRADES: Final = {Venue.KRX: "H0STCNT0", Venue.NXT: "H0NXCNT0", Venue.UNIFIED: "H0UNCNT0"}
BOOKS: Final = {Venue.KRX: "H0STASP0", Venue.NXT: "H0NXASP0", Venue.UNIFIED: "H0UNASP0"}
EXPECTED: Final = {Venue.KRX: "H0STANC0", Venue.NXT: "H0NXANC0", Venue.UNIFIED: "H0UNANC0"}
PROGRAM: Final = {Venue.KRX: "H0STPGM0", Venue.NXT: "H0NXPGM0", Venue.UNIFIED: "H0UNPGM0"}
MEMBERS: Final = {Venue.KRX: "H0STMBC0", Venue.NXT: "H0NXMBC0", Venue.UNIFIED: "H0UNMBC0"}
OPERATION: Final = {Venue.KRX: "H0STMKO0", Venue.NXT: "H0NXMKO0", Venue.UNIFIED: "H0UNMKO0"}
AFTER_HOURS_TRADES: Final = "H0STOUP0"
AFTER_HOURS_BOOK: Final = "H0STOAA0"
AFTER_HOURS_EXPECTED: Final = "H0STOAC0"
INDEX: Final = "H0UPCNT0"
EXPECTED_INDEX: Final = "H0UPANC0"
PROGRAM_INDEX: Final = "H0UPPGM0"
NAV: Final = "H0STNAV0"

_NOTICES: Final = frozenset({"H0STCNI0", "H0STCNI9"})


def feeds_of(settings: SimulatorSettings) -> frozenset[str]:
    """Return the TR ids that a service knows in its environment and era."""
    feeds = {
        tr_id
        for tr_id, form in feed_forms().items()
        if settings.era in form.widths
        and tr_id not in _NOTICES
        and (form.on_paper or not settings.paper or settings.real_only_feeds)
    }
    # Overseas notices are accepted and stay empty: clients register them along with ours.
    return frozenset({*feeds, settings.notice_feed, overseas_feed(settings)})


def overseas_feed(settings: SimulatorSettings) -> str:
    """Return the TR id of the overseas order notices."""
    return "H0GSCNI9" if settings.paper else "H0GSCNI0"


class Batch:
    """Records of one key that wait for the next flush, and the times of the first and last."""

    __slots__ = ("first_at", "last_at", "records")

    def __init__(self, record: str, at: int) -> None:
        self.records = [record]
        self.first_at = self.last_at = at


class Feed:
    """One feed: its listeners by key, and what waits for them."""

    __slots__ = ("listeners", "tr_id", "waiting")

    def __init__(self, tr_id: str) -> None:
        self.tr_id = tr_id
        self.listeners: dict[str, list[Connection | Absentee]] = {}
        self.waiting: dict[str, Batch] = {}

    def take(self, key: str, record: str, at: int) -> None:
        """Let a record wait behind those before it."""
        batch = self.waiting.get(key)
        if batch is None:
            self.waiting[key] = Batch(record, at)
        else:
            batch.records.append(record)
            batch.last_at = at

    def replace(self, key: str, record: str, at: int) -> None:
        """Let a record wait in place of those before it: only the newest state matters."""
        self.waiting[key] = Batch(record, at)

    def listen(self, key: str, listener: Connection | Absentee) -> None:
        """Add a listener; one that stood in for the same account leaves."""
        present = self.listeners.setdefault(key, [])
        present[:] = [
            each
            for each in present
            if not (isinstance(each, Absentee) and each.account == listener.account)
        ]
        present.append(listener)

    def forget(self, key: str, listener: Connection | Absentee) -> None:
        """Remove a listener."""
        present = self.listeners[key]
        present.remove(listener)
        if not present:
            del self.listeners[key]
