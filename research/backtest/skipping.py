"""How a decider says which market events it can be spared.

Most trades change nothing that a decider would act on. A processor that implements ``Skippable``
lets a runner hand over the market in two ways: event by event through ``handle``, or, while it is
not ``concerned`` with a symbol, as a stretch of columns through ``absorb``. What always holds, and
is property-tested for each implementation: absorbing a stretch leaves the same state as handling
its events one by one would have, and none of those would have had an output.

What a runner owes a processor: before it hands over an entry about a symbol it has handed over
everything of that symbol; before the first clock tick at or after a ``spared_until`` that lay in
the future, everything of all symbols. Otherwise the market of symbols that the processor is not
concerned with may be outstanding. It asks for concerns and spared time again after every entry that
is no trade, book or bar, and after every one that had an output, at the latest when all that
happens at that instant is over; after a tick without output for the spared time alone, and for
concerns only if that has changed. Before such a first tick, with everything handed over, it may ask
for the spared time once more and leave the tick out when it now lies before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.event import Event
from events.market import BarClosed, QuoteFrame, Trade, TradeFrame
from research.backtest.tape import AGGRESSORS


class _Columns(NamedTuple):
    symbol: Symbol
    at: NDArray[np.int64]
    time: NDArray[np.int64]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    aggressor: NDArray[np.int8]
    auction: NDArray[np.bool_]
    cumulative_volume: NDArray[np.int64]
    cumulative_value: NDArray[np.int64]
    best_ask: NDArray[np.int64]
    best_bid: NDArray[np.int64]
    final: TradeFrame | None = None


class Trades(_Columns):
    """Consecutive trades of one symbol as columns of one length, at least one row.

    ``at`` is when the decider would have received each, ``time`` the exchange's time. The best
    prices are those beside each trade, 0 for none. Each trade would have come as a frame of its
    own; ``final`` is that of the last one where it says more than the columns do.
    """

    @cached_property
    def last(self) -> TradeFrame:
        """The frame of the final trade."""
        if self.final is not None:
            return self.final
        return TradeFrame(
            at=int(self.at[-1]),
            symbol=self.symbol,
            trades=(
                Trade(
                    int(self.time[-1]),
                    int(self.price[-1]),
                    int(self.quantity[-1]),
                    AGGRESSORS[int(self.aggressor[-1])],
                    int(self.cumulative_volume[-1]),
                    int(self.cumulative_value[-1]),
                    int(self.best_ask[-1]),
                    int(self.best_bid[-1]),
                    0,
                    bool(self.auction[-1]),
                ),
            ),
        )


@runtime_checkable
class Skippable(Protocol):
    """What a processor has besides ``handle`` when it can be spared market events."""

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next trade or book of a symbol might make a difference.

        May change with any entry that is handled, and with none that is absorbed.
        """
        ...

    def spared_until(self) -> int:
        """Return the instant (ns UTC) up to which clock ticks may be left out as well.

        Ticks before it would change nothing and have no output, provided that no entry of another
        kind is handled meanwhile. 0: every tick is wanted.
        """
        ...

    def absorb_trades(self, trades: Trades) -> None:
        """Take in trades of a symbol that it is not concerned with."""
        ...

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in completed bars of one symbol that it is not concerned with, oldest first."""
        ...

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest of a stretch of books of a symbol that it is not concerned with."""
        ...

    def absorb_tick(self, tick: Event) -> None:
        """Take in the newest of a stretch of clock ticks before ``spared_until``."""
        ...


@runtime_checkable
class Watching(Protocol):
    """What a ``Skippable`` has besides when it may be concerned with a fall in price only.

    Whoever guards what is held need not see each trade, only the one that goes too far. Trades
    above the price are absorbed like those of a symbol of no concern, but always before the
    processor is handed anything else.
    """

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        """Return the price in won at or below which a trade or bar of a symbol might matter.

        Asked of symbols that it is concerned with. ``None``: each of them might, and so might each
        book. The price holds as long as no other symbol falls to its own.
        """
        ...


@runtime_checkable
class Scanning(Protocol):
    """A processor that can look for itself, by compiled code, where its next trade of concern is.

    ``Skippable`` says that nothing matters until something else is handled. A strategy that counts
    every trade of a symbol and acts at one that only its own counting tells cannot say that; it is
    handed the trades to come as columns and takes in those at which it does nothing. What always
    holds, and is property-tested for each implementation: after ``scan`` has taken in ``n`` trades
    the state is that of handling these ``n``, each as a frame of its own, and none of them would
    have had an output. The trade behind them is handed to ``handle``, whether it has an output or
    not; then ``scan`` may go on.

    A runner passes trades in order and at most up to the next entry of another kind that the
    processor takes in: what it scans for may depend on its fills and on time.
    """

    def may_scan(self, symbol: Symbol) -> bool:
        """Return whether a symbol's trades may be given to ``scan``.

        May change with any entry that is handled, and with none that is scanned.
        """
        ...

    def scan(self, trades: Trades) -> int:
        """Take in trades up to the first that might have an output; return how many.

        All of them when none might; 0 when the first one might.
        """
        ...
