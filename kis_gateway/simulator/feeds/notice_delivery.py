"""Own-order notices on their way: encrypted for each listener, and what faults do to them.

A notice goes to every connection that registered the HTS id of the order's account, each under the
key of its own registration. It leaves with the next flush, in the order in which things happened,
unless a fault loses, doubles, delays or swaps it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final, NamedTuple

from bus import TimeSource
from kis_gateway.simulator.feeds.connections import Absentee, Connection, FeedKey
from kis_gateway.simulator.feeds.feed_table import Feed
from kis_gateway.simulator.feeds.notices import Receipt, Registration, notice_record
from kis_gateway.simulator.ledger import OrderRecord
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trouble.fault_board import CausedFault, FaultBoard
from kis_gateway.simulator.trouble.faults import FaultKind
from kis_gateway.simulator.trouble.feed_faults import FeedFaults
from kis_gateway.simulator.trouble.losses import LossBook, LostNotice
from kis_gateway.simulator.trouble.server_clock import ServerClock

_SECOND: Final = 1_000_000_000
_SWAP_SECONDS: Final = 5.0
"""How long a swapped notice waits for its successor when the fault does not say."""

_ORDER_OF_FAULTS: Final = (
    FaultKind.LOST_NOTICE,
    FaultKind.UNREADABLE_NOTICE,
    FaultKind.LATE_NOTICE,
    FaultKind.SWAPPED_NOTICE,
    FaultKind.DUPLICATE_NOTICE,
)
_NOBODYS: Final = "nobody was given this key"

Put = Callable[[Connection, bytes], None]


class _Notice(NamedTuple):
    order: OrderRecord
    receipt: Receipt
    name: str


class NoticeDelivery:
    """Sends notices to the listeners of their accounts."""

    def __init__(
        self,
        settings: SimulatorSettings,
        time: TimeSource,
        *,
        clock: ServerClock,
        faults: FaultBoard,
        feed_faults: FeedFaults,
        losses: LossBook,
        put: Put,
    ) -> None:
        self.feed = Feed(settings.notice_feed)
        self.hts_ids = {held.account: held.hts_id for held in settings.credentials}
        self._era = settings.era
        self._time = time
        self._clock = clock
        self._faults = faults
        self._feed_faults = feed_faults
        self._losses = losses
        self._put = put
        self._late: list[tuple[int, int, _Notice]] = []
        self._swapped: dict[str, int] = {}
        self._numbers = 0
        self.delayed = asyncio.Event()
        """Set when a notice waits for its time."""

    def notify(self, order: OrderRecord, receipt: Receipt, name: str) -> None:
        """Take a notice for the order's account; ``name`` is the issue's name."""
        notice = _Notice(order, receipt, name)
        entry = self._fault_for(notice)
        kind = entry.fault.kind if entry is not None else None
        if entry is not None and kind is FaultKind.LOST_NOTICE:
            self._lose(notice, entry)
            return
        if entry is not None and kind in (FaultKind.LATE_NOTICE, FaultKind.SWAPPED_NOTICE):
            self._delay(notice, entry)
            return
        if entry is not None and kind is FaultKind.UNREADABLE_NOTICE:
            self._lose(notice, entry)
            self._send(notice, key=Registration.derive(_NOBODYS, entry.number, "", ""))
        else:
            self._send(notice)
        if kind is FaultKind.DUPLICATE_NOTICE:
            self._send(notice)
        self._release_swapped(order.account)

    def release(self, now: int) -> None:
        """Send what has been late for long enough."""
        while self._late and self._late[0][0] <= now:
            _, number, notice = heapq.heappop(self._late)
            if self._swapped.get(notice.order.account) == number:
                del self._swapped[notice.order.account]
            self._send(notice)

    @property
    def next_release(self) -> int | None:
        """When the next late notice is due, ns UTC; ``None`` while none waits."""
        return self._late[0][0] if self._late else None

    def _fault_for(self, notice: _Notice) -> CausedFault | None:
        order = notice.order
        for kind in _ORDER_OF_FAULTS:
            entry = self._faults.strike(
                kind, account=order.account, symbol=order.symbol, fill=notice.receipt.fill
            )
            if entry is not None:
                return entry
        return None

    def _delay(self, notice: _Notice, entry: CausedFault) -> None:
        self._numbers += 1
        seconds = entry.fault.seconds
        if entry.fault.kind is FaultKind.SWAPPED_NOTICE:
            seconds = seconds or _SWAP_SECONDS
            self._swapped[notice.order.account] = self._numbers
        due = self._time.now() + round(seconds * _SECOND)
        heapq.heappush(self._late, (due, self._numbers, notice))
        self.delayed.set()

    def _release_swapped(self, account: str) -> None:
        number = self._swapped.pop(account, None)
        if number is None:
            return
        for place, (_, waiting, notice) in enumerate(self._late):
            if waiting == number:
                del self._late[place]
                heapq.heapify(self._late)
                self._send(notice)
                return

    def _send(self, notice: _Notice, *, key: Registration | None = None) -> None:
        order, receipt = notice.order, notice.receipt
        account, hts_id = order.account, self.hts_ids.get(order.account, "")
        tr_id = self.feed.tr_id
        self._feed_faults.pass_time(self._time.now())
        shown = receipt._replace(at=receipt.at + self._clock.skew)
        record = notice_record(order, shown, hts_id=hts_id, name=notice.name, era=self._era)
        for listener in self.feed.listeners.get(hts_id, ()):
            if isinstance(listener, Absentee):
                self._lose(notice, self._faults.caused[listener.fault - 1])
                continue
            silenced = self._feed_faults.silent(tr_id, hts_id, account)
            if silenced:
                self._lose(notice, self._faults.caused[silenced - 1])
                continue
            wanted = FeedKey(tr_id, hts_id)
            changed = listener.changed_keys.get(wanted)
            if changed is not None:
                self._lose(notice, self._faults.caused[changed - 1])
            records = [record]
            cut = self._feed_faults.reshape(tr_id, records)
            if cut:
                self._lose(notice, self._faults.caused[cut - 1])
            payload = (key or listener.registrations[wanted]).encrypt(records[0])
            self._put(listener, f"1|{tr_id}|001|{payload}".encode())

    def _lose(self, notice: _Notice, entry: CausedFault) -> None:
        order, receipt = notice.order, notice.receipt
        self._losses.notices.append(
            LostNotice(
                fault=entry.number,
                kind=entry.fault.kind,
                account=order.account,
                order_number=order.number,
                symbol=order.symbol,
                at=receipt.at,
                fill=receipt.fill,
                quantity=receipt.quantity,
                price=receipt.price,
            )
        )
