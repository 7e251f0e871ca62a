"""A market made of minute bars: the part that recorded and synthetic days have in common.

Everything is generated while it is read, so a day of a hundred issues costs little memory. Besides
the bridge it makes up what bars cannot tell: program trading, as a twentieth of each minute's
turnover with the sign of its price change, per market. That is an invention with plausible size and
persistence and no information beyond the bars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from heapq import merge
from operator import attrgetter
from typing import Final

from events import Symbol
from events.calendar import TradingSession
from events.market import Bar, Phase
from events.prices import Board
from kis_gateway.simulator.exchange.messages import EnterPhase, Listing
from kis_gateway.simulator.market.bridge import DEFAULT_TRADES_PER_BAR, bridge
from kis_gateway.simulator.market.errors import UnknownInstrument
from kis_gateway.simulator.market.market import IndexPrint, MarketItem, ProgramPrint

INDICES: Final = ("KOSPI", "KOSDAQ")
INDEX_STEP: Final = 10_000_000_000
"""Nanoseconds between two prints of an index."""

_MINUTE: Final = 60_000_000_000
_CLOSE_AFTER: Final = 30_000_000_000
_PROGRAM_PART: Final = 20


class BarMarket:
    """A ``Market`` from bars.

    ``daily`` and ``minutes`` hold bars by symbol, oldest first; ``index_daily`` an index's bars and
    ``index_levels`` its levels every ten seconds from the open, both in hundredths of a point.
    """

    def __init__(
        self,
        *,
        session: TradingSession,
        listings: Sequence[Listing],
        daily: Mapping[Symbol, tuple[Bar, ...]],
        minutes: Mapping[Symbol, tuple[Bar, ...]],
        index_daily: Mapping[str, tuple[Bar, ...]],
        index_levels: Mapping[str, Sequence[int]],
        trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
    ) -> None:
        self._session = session
        self._listings = tuple(listings)
        self._daily = daily
        self._minutes = minutes
        self._index_daily = index_daily
        self._index_levels = index_levels
        self._trades_per_bar = trades_per_bar

    @property
    def day(self) -> date:
        """Return the KST date of the session."""
        return self._session.day

    @property
    def session(self) -> TradingSession:
        """Return the session's times."""
        return self._session

    @property
    def listings(self) -> Sequence[Listing]:
        """Return the issues that trade, most actively traded first."""
        return self._listings

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        """Return the sector of every listed symbol."""
        return {listing.symbol: listing.sector for listing in self._listings}

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the daily bars before ``day``. Raises ``UnknownInstrument``."""
        return self._of(self._daily, symbol)

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        """Return the day's one-minute bars. Raises ``UnknownInstrument``."""
        return self._of(self._minutes, symbol)

    def index_history(self, index: str) -> tuple[Bar, ...]:
        """Return an index's daily bars in hundredths of a point. Raises ``UnknownInstrument``."""
        if index not in INDICES:
            raise UnknownInstrument(index, len(INDICES))
        return self._index_daily.get(index, ())

    def commands(self) -> Iterator[MarketItem]:
        """Yield all that happens in order of ``at``, phases before what happens in them.

        The exchange closes half a minute after the session's last bar began: a closing match may
        print up to thirty seconds late (KRX ends its closing auction at a random moment).
        """
        streams: list[Iterator[MarketItem]] = [self.surroundings()]
        streams += [
            bridge(
                listing,
                self._minutes[listing.symbol],
                self._session,
                trades_per_bar=self._trades_per_bar,
            )
            for listing in self._listings
        ]
        return merge(*streams, key=attrgetter("at"))

    def surroundings(self) -> Iterator[MarketItem]:
        """Yield what is no trading, in order of ``at``: phases, indices, program trading."""
        streams = [self._phases(), self._indices()]
        streams += [self._program(board) for board in (Board.KOSPI, Board.KOSDAQ)]
        return merge(*streams, key=attrgetter("at"))

    def _phases(self) -> Iterator[MarketItem]:
        session = self._session
        ends = [bars[-1].start for bars in self._minutes.values() if bars]
        closed_at = max(session.close_at, *ends, session.open_at) + _CLOSE_AFTER
        for at, phase in (
            (session.auction_from, Phase.OPENING_AUCTION),
            (session.open_at, Phase.CONTINUOUS),
            (session.closing_auction_at, Phase.CLOSING_AUCTION),
            (closed_at, Phase.CLOSED),
        ):
            yield EnterPhase(at=at, phase=phase)

    def _indices(self) -> Iterator[MarketItem]:
        levels = [(index, self._index_levels[index]) for index in INDICES]
        for step in range(max(len(series) for _, series in levels)):
            at = self._session.open_at + step * INDEX_STEP
            for index, series in levels:
                yield IndexPrint(at=at, index=index, centipoints=series[step])

    def _program(self, board: Board) -> Iterator[MarketItem]:
        flows: dict[int, int] = {}
        for listing in self._listings:
            if listing.board is not board:
                continue
            for bar in self._minutes[listing.symbol]:
                sign = (bar.close > bar.open) - (bar.close < bar.open)
                value = sign * bar.volume * bar.close // _PROGRAM_PART
                flows[bar.start] = flows.get(bar.start, 0) + value
        total = 0
        for start in range(self._session.open_at, self._session.close_at, _MINUTE):
            total += flows.get(start, 0)
            yield ProgramPrint(at=start + _MINUTE, market=board.value, cumulative_net_value=total)

    def _of(self, bars: Mapping[Symbol, tuple[Bar, ...]], symbol: Symbol) -> tuple[Bar, ...]:
        found = bars.get(symbol)
        if found is None:
            raise UnknownInstrument(symbol, len(self._listings))
        return found
