"""Moving-average crossover on completed bars: long while the fast mean is above the slow one.

After each bar the wanted position is compared with the one held, and the difference is asked for;
what is bought or sold trades after the bar at the earliest. The means are sums of whole won, so
nothing is ever rounded. They begin with the bars of earlier sessions (``BarHistory``); a symbol
without enough of them waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.event import Delivery, Event
from events.market import BarClosed, BarHistory, SessionOpened
from research.backtest.samples.long_only import INPUTS, LongOnly, Terms, settings_text
from strategies.errors import InvalidSettings

NAME: Final = "sma"
"""Name of the strategy and of its configuration in the session."""


class SmaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lengths of the two means in bars, and how entries are asked for."""

    fast: int = 10
    slow: int = 50
    entry: Terms = msgspec.field(default_factory=lambda: Terms(shares=1))

    def __post_init__(self) -> None:
        if not 0 < self.fast < self.slow:
            raise InvalidSettings(
                "fast", f"{self.fast} with slow {self.slow}", "set 0 < fast < slow"
            )


def sma_from_session(session: SessionOpened) -> SmaCrossover:
    """Return the strategy for a session, configured by its opening books.

    Raises:
        ConfigurationMissing: the books carry no configuration of that name.
        InvalidSettings: the configuration cannot be used.
    """
    return SmaCrossover(session, settings_from(settings_text(NAME, session)))


def settings_from(text: str) -> SmaSettings:
    """Return the settings in JSON text. Raises ``InvalidSettings``."""
    try:
        return msgspec.json.decode(text, type=SmaSettings)
    except msgspec.DecodeError as error:
        raise InvalidSettings(NAME, str(error), "correct the key it names") from error


class SmaCrossover:
    """The crossover in every symbol whose bars are shown. A ``bus`` processor."""

    name = NAME
    inputs: Sequence[str] = ("market.bar.*", *INPUTS)
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened, settings: SmaSettings) -> None:
        self._settings = settings
        self._desk = LongOnly(StrategyId(NAME.upper()), session, settings.entry)
        self._means: dict[Symbol, _Means] = {}
        self.owns = self._desk.owns

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry and return the intent that follows from it, if one does."""
        event = delivery.event
        if type(event) is not BarClosed:
            if isinstance(event, BarHistory):
                means = self._begin(event.symbol)
                for bar in event.bars:
                    means.add(bar.close)
            else:
                self._desk.observe(event)
            return ()
        symbol, close = event.symbol, event.bar.close
        means = self._means.get(symbol) or self._begin(symbol)
        wanted, desk = means.add(close), self._desk
        if wanted is None or wanted is (symbol in desk.held) or not desk.may_ask(symbol, event.at):
            return ()
        ask = desk.enter if wanted else desk.exit
        reason = "fast_above_slow" if wanted else "fast_not_above_slow"
        return ask(symbol, close, at=event.at, cause=delivery.sequence, reason=reason)

    def _begin(self, symbol: Symbol) -> _Means:
        means = self._means[symbol] = _Means(self._settings)
        return means


class _Means:
    """Sums of the newest closes of one symbol."""

    __slots__ = ("_closes", "_fast", "_fast_sum", "_slow", "_slow_sum")

    def __init__(self, settings: SmaSettings) -> None:
        self._fast, self._slow = settings.fast, settings.slow
        self._closes: deque[int] = deque()
        self._fast_sum = self._slow_sum = 0

    def add(self, close: int) -> bool | None:
        """Take in a close (won); return whether the fast mean is above, ``None`` too early."""
        closes, fast, slow = self._closes, self._fast, self._slow
        closes.append(close)
        self._fast_sum += close
        self._slow_sum += close
        known = len(closes)
        if known <= slow:
            if known > fast:
                self._fast_sum -= closes[-fast - 1]
            if known < slow:
                return None
        else:
            self._fast_sum -= closes[-fast - 1]
            self._slow_sum -= closes.popleft()
        return self._fast_sum * slow > self._slow_sum * fast
