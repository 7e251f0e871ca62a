"""Session VWAP and tick imbalance on every trade of one symbol.

Long while the price is above the session's volume-weighted average and buyers crossed the spread
for more shares than sellers, by a margin, among the newest trades. After each wish a number of
trades passes before the next. Everything is counted in whole won and shares, so stretches of trades
can be looked through by compiled code (``scan``) with exactly the state that one trade after the
other would have left.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from events import StrategyId, Symbol
from events.event import Delivery, Event
from events.market import SessionOpened, TradeFrame
from research.backtest.samples.long_only import INPUTS, LongOnly, Terms, settings_text
from research.backtest.skipping import Trades
from strategies.errors import InvalidSettings

NAME: Final = "vwap"
"""Name of the strategy and of its configuration in the session."""

_PER_MILLE: Final = 1_000


class VwapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``window`` trades make the imbalance, ``pause`` trades pass between two wishes.

    ``margin_per_mille`` is how far bought shares must exceed sold ones, of both together, for a
    position to be wanted; it is wanted no more when they fall behind by as much.
    """

    symbol: Symbol
    window: int = 500
    pause: int = 5_000
    margin_per_mille: int = 20
    entry: Terms = msgspec.field(default_factory=lambda: Terms(shares=1))

    def __post_init__(self) -> None:
        if min(self.window, self.pause) < 1 or not 0 <= self.margin_per_mille <= _PER_MILLE:
            raise InvalidSettings(
                NAME,
                f"window {self.window}, pause {self.pause}, margin {self.margin_per_mille}",
                "set window and pause above 0 and the margin from 0 to 1000",
            )


def vwap_from_session(session: SessionOpened) -> VwapImbalance:
    """Return the strategy for a session, configured by its opening books.

    Raises:
        ConfigurationMissing: the books carry no configuration of that name.
        InvalidSettings: the configuration cannot be used.
    """
    try:
        settings = msgspec.json.decode(settings_text(NAME, session), type=VwapSettings)
    except msgspec.DecodeError as error:
        raise InvalidSettings(NAME, str(error), "correct the key it names") from error
    return VwapImbalance(session, settings)


class VwapImbalance:
    """The strategy in one symbol. A ``bus`` processor that can be ``Scanning``."""

    name = NAME
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened, settings: VwapSettings) -> None:
        self._settings = settings
        self._symbol = settings.symbol
        self._desk = LongOnly(StrategyId(NAME.upper()), session, settings.entry)
        self._window = settings.window
        self._margin = settings.margin_per_mille
        self._signed = array("q", bytes(8 * settings.window))
        """Shares of the newest trades: above 0 bought, below 0 sold; the oldest at ``_place``."""
        self._place = 0
        self._net = self._gross = 0
        """Sums over ``_signed``: bought less sold, and both together."""
        self._until_next = settings.window
        """Trades that pass before the next wish."""
        self.inputs: Sequence[str] = (f"market.trade.{settings.symbol}", *INPUTS)
        self.owns = self._desk.owns

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry and return the intent that follows from it, if one does."""
        event = delivery.event
        if type(event) is not TradeFrame:
            self._desk.observe(event)
            return ()
        if event.symbol != self._symbol:
            return ()
        signed, place = self._signed, self._place
        for trade in event.trades:
            shares = trade.quantity * trade.aggressor
            gone = signed[place]
            signed[place] = shares
            place += 1
            if place == self._window:
                place = 0
            self._net += shares - gone
            self._gross += abs(shares) - abs(gone)
            self._until_next -= 1
        self._place = place
        if self._until_next >= 0:
            return ()
        net, gross = self._net, self._gross
        newest = event.trades[-1]
        if self._symbol in self._desk.held:
            if net * _PER_MILLE >= -self._margin * gross:
                return ()
        elif (
            net * _PER_MILLE <= self._margin * gross
            or newest.price * newest.cumulative_volume <= newest.cumulative_value
        ):
            return ()
        return self._ask(event.at, newest.price, delivery.sequence)

    def may_scan(self, symbol: Symbol) -> bool:
        """Return whether ``scan`` may be used: always, for its own symbol."""
        return symbol == self._symbol

    def scan(self, trades: Trades) -> int:
        """Take in trades, one a frame, up to the first that it may ask at; return how many."""
        from research.backtest.samples.vwap_imbalance_scan import scan

        desk = self._desk
        state = array("q", (self._place, self._net, self._gross, self._until_next))
        taken = scan(
            trades,
            self._signed,
            state,
            margin=self._margin,
            held=self._symbol in desk.held,
            since=desk.trades_from,
            until=desk.trades_until,
        )
        self._place, self._net, self._gross, self._until_next = state
        return taken

    def _ask(self, at: int, price: int, cause: int) -> Sequence[Event]:
        desk, symbol = self._desk, self._symbol
        if not desk.may_ask(symbol, at):
            return ()
        self._until_next = self._settings.pause
        if symbol in desk.held:
            return desk.exit(symbol, price, at=at, cause=cause, reason="sellers_prevail")
        return desk.enter(symbol, price, at=at, cause=cause, reason="buyers_prevail_above_vwap")
