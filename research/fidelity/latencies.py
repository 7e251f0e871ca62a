"""How long things took on a recorded day, from the project's own orders and frames.

What is on the log, and what is not:

- *Order and answer.* Observed is the time from the newest instant on the log when an order was
  written ahead to the broker's answer. Where in between the exchange had the order is not observed.
  ``split`` is the part of that time which is taken for the way there; it is the one at which most
  orders arrive at a place of the tape that explains their executions (``arrival``), and half where
  nothing speaks for another.
- *Notice.* From the execution to the entry that tells of it. An execution on arrival happened when
  the order arrived; a later one within the second of the trade that made it, at KIS full seconds,
  taken for its middle.
- *Cancel.* From its write-ahead to the broker's answer, split like an order's.
- *Feed.* From a trade to its receipt. The exchange's time is cut to the second, which spreads what
  is measured evenly over one second: of the p-quantile, p seconds are taken off. That is exact for
  a latency that does not vary and off by less than a second for any other.

All are latencies of that host, that line and that broker's load. Those of an accelerated simulated
day are seconds of its own clock and say nothing of a real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from events import OrderId, Symbol
from events.market import QuoteFrame, TradeFrame
from research.backtest.settings import LatencySettings
from research.fidelity.arrival import EVEN_SPLIT, Place
from research.fidelity.exchange_tape import IssueTape
from research.fidelity.order_record import RecordedOrder
from research.fidelity.recording import RecordedSession

STEPS: Final = 20
"""Quantiles are given at this many equal steps from the least to the most, at most."""

_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_SPLITS: Final = tuple(step / 20 for step in range(21))


class OrderTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What one order took, ns; ``None`` for what did not happen or is not on the log.

    ``order`` and ``answer`` add up to what was observed. ``notices`` is one per recorded fill.
    """

    order_id: OrderId
    order: int | None
    answer: int | None
    cancels: tuple[int, ...]
    notices: tuple[int, ...]


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """The latencies of a day, each way rising (ns), and the split behind them.

    ``split_fits`` of ``split_of`` orders that could tell are explained by ``split``.
    """

    feed: tuple[int, ...]
    order: tuple[int, ...]
    cancel: tuple[int, ...]
    answer: tuple[int, ...]
    notice: tuple[int, ...]
    split: float
    split_fits: int
    split_of: int
    orders: tuple[OrderTimes, ...]

    def settings(self) -> LatencySettings:
        """Return them for backtests of other days; a way without a measurement keeps its default.

        Milliseconds at equal steps from the least to the most. Of a hundred and more measurements
        the slowest hundredth is left out: messages are held up together, and drawn one by one a
        single stall of the day would be counted many times over.
        """
        measured = {
            way: quantiles(_without_stalls(getattr(self, way)))
            for way in LatencySettings.__struct_fields__
            if getattr(self, way)
        }
        return LatencySettings(**measured)


def measure(
    session: RecordedSession,
    orders: Mapping[OrderId, RecordedOrder],
    places: Mapping[OrderId, Place],
    tapes: Mapping[Symbol, IssueTape],
) -> Latencies:
    """Return what a recorded day took; ``places`` and ``tapes`` are those of its orders."""
    split, fits, of = best_split(orders, places, tapes)
    times = [_times(order, places, tapes, split) for order in orders.values()]
    return Latencies(
        feed=feed_latencies(session),
        order=_rising(each.order for each in times),
        cancel=_rising(cancel for each in times for cancel in each.cancels),
        answer=_rising(each.answer for each in times),
        notice=_rising(notice for each in times for notice in each.notices),
        split=split,
        split_fits=fits,
        split_of=of,
        orders=tuple(times),
    )


def quantiles(rising: Sequence[int]) -> tuple[float, ...]:
    """Return milliseconds at equal steps from the least to the most of what was measured."""
    last = len(rising) - 1
    found = []
    for step in range(STEPS + 1):
        place = last * step / STEPS
        low = int(place)
        high = min(low + 1, last)
        value = rising[low] + (rising[high] - rising[low]) * (place - low)
        found.append(round(value / _MILLISECOND, 3))
    return tuple(found)


def feed_latencies(session: RecordedSession) -> tuple[int, ...]:
    """Return how late frames were received, rising, ns; see the module for the full seconds."""
    observed = sorted(
        entry.event.at - _newest(entry.event)
        for frames in session.frames.values()
        for entry in frames
        if isinstance(entry.event, QuoteFrame)
        or (isinstance(entry.event, TradeFrame) and entry.event.trades)
    )
    last = max(len(observed) - 1, 1)
    late = 0
    found = []
    for place, value in enumerate(observed):
        late = max(late, value - _SECOND * place // last)
        found.append(late)
    return tuple(found)


def best_split(
    orders: Mapping[OrderId, RecordedOrder],
    places: Mapping[OrderId, Place],
    tapes: Mapping[Symbol, IssueTape],
) -> tuple[float, int, int]:
    """Return the split that explains most orders, how many it explains, and of how many.

    Only orders whose window leaves a choice can tell. Among equals it is the one nearest to half.
    """
    spans = [
        span
        for order in orders.values()
        if (place := places.get(order.order_id)) is not None
        and (span := _fitting_span(order, place, tapes[order.symbol])) is not None
    ]
    if not spans:
        return EVEN_SPLIT, 0, 0

    def fits(split: float) -> int:
        return sum(low <= split <= high for low, high in spans)

    best = max(_SPLITS, key=lambda split: (fits(split), -abs(split - EVEN_SPLIT)))
    return best, fits(best), len(spans)


def _fitting_span(
    order: RecordedOrder, place: Place, tape: IssueTape
) -> tuple[float, float] | None:
    """Return between which splits an order arrives where its executions are explained."""
    taken = order.known_at - order.clock_at
    if not place.fitting or place.earliest == place.latest or taken <= 0:
        return None
    first, last = place.fitting[0], place.fitting[-1]
    steps = tape.steps
    begin = steps[first - 1].time if first > place.earliest else order.clock_at
    end = steps[last].time + _SECOND if last < place.latest else order.known_at
    return (begin - order.clock_at) / taken, (end - order.clock_at) / taken


def _times(
    order: RecordedOrder,
    places: Mapping[OrderId, Place],
    tapes: Mapping[Symbol, IssueTape],
    split: float,
) -> OrderTimes:
    place = places.get(order.order_id)
    taken = None
    if order.accepted is not None and not order.unknown_fate:
        taken = max(0, order.accepted.at - order.clock_at)
    way = None if taken is None else round(taken * split)
    return OrderTimes(
        order_id=order.order_id,
        order=way,
        answer=None if taken is None or way is None else taken - way,
        cancels=tuple(
            round(max(0, cancel.answer.at - cancel.at) * split)
            for cancel in order.cancels
            if cancel.answer is not None
        ),
        notices=_notices(order, place, tapes[order.symbol], way) if place is not None else (),
    )


def _notices(
    order: RecordedOrder, place: Place, tape: IssueTape, way: int | None
) -> tuple[int, ...]:
    if len(place.executed_at) != len(order.fills):
        return ()  # Some were told together: which one took how long is not on the log.
    arrived = order.clock_at + (way or 0)
    found = []
    for fill, step in zip(order.fills, place.executed_at, strict=True):
        at_once = step <= place.step
        happened = arrived if at_once else tape.steps[step - 1].time + _SECOND // 2
        found.append(max(0, fill.at - happened))
    return tuple(found)


def _newest(frame: TradeFrame | QuoteFrame) -> int:
    return frame.trades[-1].time if isinstance(frame, TradeFrame) else frame.time


def _without_stalls(rising: Sequence[int]) -> Sequence[int]:
    return rising[: len(rising) - len(rising) // 100]


def _rising(values: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(sorted(value for value in values if value is not None))
