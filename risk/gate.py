"""The risk gate: one pure processor between strategies and the router, one decision per intent.

What always holds: no halt, limit or rate stops an exit or a cancel; an entry passes only when no
check refused it for what it saw or, but for interruptions, for what it could not see; whatever was
let through counts from that moment, before any order of it is known. A halt that the gate derives
binds it from the entry that caused it on. Replaying the log gives the same decisions and halts byte
for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from events import Delivery, Event, Symbol
from events.columns import TradeColumns
from events.control import (
    HaltCleared,
    HaltTripped,
    LimitsRefused,
)
from events.market import (
    BarClosed,
    QuoteFrame,
    SessionOpened,
)
from events.trading import (
    Decision,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    Side,
)
from risk import entries, reductions
from risk.entry import Entry, assumed_price
from risk.errors import SessionWithoutSettings, SettingsMalformed
from risk.knowledge import Knowledge
from risk.settings import RiskSettings, load_settings

SERVICE: Final = "oms"
"""Name of the gate's settings in the opening books."""


def gate_from_session(session: SessionOpened) -> RiskGate:
    """Return the gate for a session, configured by its opening books.

    Raises:
        SessionWithoutSettings: the books carry no configuration of the gate.
        SettingsError: the configuration cannot be put in force.
    """
    return RiskGate(session, session_settings(session))


class RiskGate:
    """Decides every intent of one account in one session and halts it by rule. A ``bus`` processor.

    Each session has a gate of its own, which
    reads the log from that session's opening on; halts and limits that outlive a session come with
    the opening.
    """

    name = "risk"
    inputs: Sequence[str] = (
        "market.clock",
        "market.trade.*",
        "market.bar.*",
        "market.quote.*",
        "market.status.*",
        "market.daily.*",
        "market.snapshot.*",
        "signal.universe",
        "signal.regime",
        "trading.intent.*",
        "trading.order.*",
        "trading.execution.*",
        "trading.account",
        "trading.control",
        "ops.*",
    )
    outputs: Sequence[str] = ("trading.decision.*", "trading.control")

    def __init__(self, session: SessionOpened, settings: RiskSettings) -> None:
        self._known = Knowledge(session, settings)
        self._first: int | None = None

    def owns(self, event: Event) -> bool:
        """Return whether an event on an output topic is this gate's.

        All decisions, halts by rule and refused limits are, but for those that the gate of the
        session before derived and that reached the log after this one's opening.
        """
        if not isinstance(event, Decision | HaltTripped | HaltCleared | LimitsRefused):
            return False
        return self._first is not None and event.cause >= self._first

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry; an intent yields one decision, any entry may set off or end halts.

        An ``IntentExpired`` stands in the place of an intent that was never decided: nothing was
        let through, so there is nothing to take back.
        """
        known = self._known
        if self._first is None:
            self._first = delivery.sequence
            known.begin(delivery)
        event = delivery.event
        if type(event) is IntentSubmitted:
            known.pass_time(delivery)
            known.derived.append(self._decide(delivery, event))
        else:
            known.evolve(delivery)
        if not known.derived:
            return ()
        derived = tuple(known.derived)
        known.derived.clear()
        return derived

    # -- stretches of the market, see ``research.backtest`` ----------------------------------------

    def concerned(self, symbol: Symbol) -> bool:
        """Return whether the next trade, bar or book of a symbol might make a difference.

        It does for what is held or unexplained: its worth enters the day's result. It does for all
        symbols while time alone may set a halt off.
        """
        return self._first is None or self._known.concerned(symbol)

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        """Return the price in won at or below which a symbol of concern might make a difference.

        It does when the day's loss nears its next level. The price holds as long as no other symbol
        falls to its own. ``None``: each price might.
        """
        return None if self._first is None else self._known.matters_at_or_below(symbol)

    def spared_until(self) -> int:
        """Return the instant (ns UTC) before which clock ticks change nothing, 0 for none.

        Ticks that matter: a new phase, an approved entry that lapses, a halt set off by time.
        """
        return 0 if self._first is None else self._known.spared_until()

    def absorb_trades(self, trades: TradeColumns) -> None:
        """Take in trades of a symbol that the gate is not concerned with."""
        self._known.absorb_trades(trades)

    def absorb_bars(self, bars: Sequence[BarClosed]) -> None:
        """Take in bars of a symbol that the gate is not concerned with, oldest first."""
        self._known.absorb_bars(bars)

    def absorb_quote(self, frame: QuoteFrame) -> None:
        """Take in the newest book of a symbol that the gate is not concerned with."""
        self._known.absorb_quote(frame)

    def absorb_tick(self, tick: Event) -> None:
        """Take in the newest clock tick before ``spared_until``."""
        self._known.absorb_tick(tick)

    def _decide(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        match intent.kind:
            case IntentKind.ENTER:
                return self._enter(delivery, intent)
            case IntentKind.REDUCE | IntentKind.EXIT | IntentKind.FLATTEN:
                return self._sell(delivery, intent)
            case IntentKind.SET_TARGET:
                return reductions.unsupported(delivery, intent)
            case IntentKind.CANCEL_ORDERS:
                return reductions.cancel(delivery, intent, self._known.book)
            case IntentKind.MODIFY_RISK:
                return reductions.modify_risk(delivery, intent, self._known.book)

    def _enter(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        known, symbol = self._known, intent.symbol
        book = known.book
        terms = known.market.references.get(symbol)
        upper_limit = None if terms is None else terms.upper_limit
        entry = Entry(
            intent=intent,
            quantity=intent.quantity or 0,
            price=assumed_price(intent, book.last_price(symbol), upper_limit),
            now=known.now,
            equity=book.measured_equity,
            gross=book.gross_exposure,
            book=book,
            market=known.market,
            controls=known.halts,
            approvals=known.approvals,
            limits=known.limits,
        )
        decision = entries.judge(delivery.sequence, entry)
        if isinstance(decision, IntentApproved | IntentModified):
            book.working.approve(intent, Side.BUY, decision.quantity, entry.known_price)
            book.statement.reserve(decision.quantity * entry.known_price)
            lock = known.limits.budgets[intent.strategy].entry_lock
            known.approvals.entry(intent, known.now, lock)
            known.approvals.order(symbol, known.now)
        return decision

    def _sell(self, delivery: Delivery, intent: IntentSubmitted) -> Decision:
        known = self._known
        decision = reductions.sell(delivery, intent, known.book, known.now)
        if isinstance(decision, IntentApproved | IntentModified) and decision.quantity:
            known.book.working.approve(intent, Side.SELL, decision.quantity, price=0)
            known.approvals.order(intent.symbol, known.now)
        return decision


def session_settings(session: SessionOpened) -> RiskSettings:
    """Return the gate's settings as the opening books carry them, without later changes.

    Raises:
        SessionWithoutSettings: the books carry no configuration of the gate.
        SettingsError: the configuration cannot be put in force.
    """
    text = session.configuration.get(SERVICE)
    if text is None:
        raise SessionWithoutSettings(session.trading_date, SERVICE)
    try:
        mapping = msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise SettingsMalformed(
            f"configuration[{SERVICE!r}]", str(error), "write the settings as one JSON object"
        ) from error
    return load_settings(mapping)
