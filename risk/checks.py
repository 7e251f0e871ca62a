"""Entry checks that say yes or no: brakes, loss, market state, rates, arbitration.

Each is a pure function of an ``Entry``. ``MISSING`` means that there was no data to judge by; how
that ends is written in the table of ``entries``. No exit ever comes here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from events import prices
from events.control import ControlKind
from events.trading import Check, CheckOutcome, Side
from risk.controls import LossLevel
from risk.entry import Entry, verdict

_PASS: Final = CheckOutcome.PASS
_REJECT: Final = CheckOutcome.REJECT
_DEFER: Final = CheckOutcome.DEFER
_MISSING: Final = CheckOutcome.MISSING
_NOT_APPLICABLE: Final = CheckOutcome.NOT_APPLICABLE
_SECOND: Final = 1_000_000_000

BLOCKED_DESIGNATIONS: Final = {
    "51": "administrative issue",
    "52": "investment danger",
    "53": "investment warning",
    "58": "trading halted",
    "59": "short-term overheating",
}
"""Status codes of the KIS price inquiry that close entries; 54 (caution) only is noted."""

_CAUTION: Final = "54"
_OPEN_DESIGNATIONS: Final = f"none of {' '.join(BLOCKED_DESIGNATIONS)}"

_INTERRUPTION_LASTS: Final = 120 * _SECOND
"""KRX: a volatility interruption is an auction of two minutes."""


def quantity(entry: Entry) -> Check:
    """At least one share."""
    asked = entry.intent.quantity
    if asked is None:
        return verdict("quantity", _MISSING, None, 1, "an entry must say how many shares")
    return verdict("quantity", _PASS if entry.quantity >= 1 else _REJECT, entry.quantity, 1)


def expiry(entry: Entry) -> Check:
    """The wish has not lapsed. Values are ns UTC."""
    outcome = _REJECT if entry.now > entry.intent.expires_at else _PASS
    return verdict("expiry", outcome, entry.now, entry.intent.expires_at)


def equity_known(entry: Entry) -> Check:
    """There is equity to measure against: now, at the broker, at the session's open. Won."""
    known = entry.equity > 0 and entry.book.opening_equity > 0
    value = min(entry.equity, entry.book.opening_equity)
    return verdict("equity_known", _PASS if known else _DEFER, value, 0)


def _brake(name: str, kind: ControlKind, when_set: CheckOutcome) -> Callable[[Entry], Check]:
    def check(entry: Entry) -> Check:
        brake = entry.controls.brake(kind, entry.intent.strategy, entry.intent.symbol)
        if brake is None:
            return verdict(name, _PASS, "off", "off")
        note = f"{brake.scope}: {brake.reason} ({brake.issued_by})"
        return verdict(name, when_set, "on", "off", note)

    check.__doc__ = f"The brake {kind.value} is off for account, strategy and symbol."
    return check


safe_mode: Final = _brake("safe_mode", ControlKind.SAFE_MODE, _DEFER)
flatten: Final = _brake("flatten", ControlKind.FLATTEN, _REJECT)
entries_halted: Final = _brake("entries_halted", ControlKind.HALT_ENTRIES, _REJECT)
strategy_paused: Final = _brake("strategy_paused", ControlKind.PAUSE_STRATEGY, _REJECT)
_operator_freeze: Final = _brake("symbol_frozen", ControlKind.FREEZE_SYMBOL, _REJECT)


def symbol_frozen(entry: Entry) -> Check:
    """Neither an operator nor drift froze the symbol."""
    drift = entry.controls.drifts.get(entry.intent.symbol)
    if drift is not None:
        note = f"broker shows {drift.broker_quantity}, allocations {drift.allocated_quantity}"
        return verdict("symbol_frozen", _REJECT, "drift", "off", note)
    return _operator_freeze(entry)


def designation(entry: Entry) -> Check:
    """The exchange has not designated the symbol in a way that closes entries."""
    reference = entry.market.references.get(entry.intent.symbol)
    if reference is None:
        return verdict(
            "designation", _MISSING, None, _OPEN_DESIGNATIONS, "no trading terms of today"
        )
    code = reference.status_code
    if code in BLOCKED_DESIGNATIONS:
        return verdict("designation", _REJECT, code, _OPEN_DESIGNATIONS, BLOCKED_DESIGNATIONS[code])
    note = "caution" if code == _CAUTION else ""
    return verdict("designation", _PASS, code, _OPEN_DESIGNATIONS, note)


def _day_loss(entry: Entry, name: str, level: LossLevel, fraction: float) -> Check:
    book = entry.book
    reached = entry.controls.loss
    if reached is not None and reached.level >= level:
        ratio = reached.day_result / book.opening_equity
        note = f"reached at {reached.at}, until next open{_guessed(reached.unpriced, '; ')}"
        return verdict(name, _REJECT, ratio, -fraction, note)
    lost = book.day_result <= -round(fraction * book.opening_equity)
    ratio = book.day_result / book.opening_equity
    outcome = _REJECT if lost else _PASS
    return verdict(name, outcome, ratio, -fraction, _guessed(book.unpriced))


def _guessed(unpriced: int, before: str = "") -> str:
    return f"{before}holdings without a price, at opening value: {unpriced}" if unpriced else ""


def daily_halt(entry: Entry) -> Check:
    """The day's result over opening equity has stayed above the halt level."""
    return _day_loss(entry, "daily_halt", LossLevel.HALT, entry.limits.daily_loss_halt)


def daily_warn(entry: Entry) -> Check:
    """The day's result over opening equity has stayed above the warn level."""
    return _day_loss(entry, "daily_warn", LossLevel.WARN, entry.limits.daily_loss_warn)


def orders_known(entry: Entry) -> Check:
    """No order of unknown fate in the symbol, and none anywhere for too long. Value: seconds."""
    unknown = entry.book.working.unknown
    allowed = entry.limits.unknown_order_stop // _SECOND
    oldest = 0.0
    for order_id, (symbol, since) in unknown.items():
        age = (entry.now - since) / _SECOND
        oldest = max(oldest, age)
        if symbol == entry.intent.symbol or entry.now - since >= entry.limits.unknown_order_stop:
            return verdict("orders_known", _DEFER, age, allowed, f"{order_id} is unknown")
    return verdict("orders_known", _PASS, oldest, allowed)


def account_positions(entry: Entry) -> Check:
    """Other symbols with shares or working buys leave room for this one."""
    count = sum(1 for symbol in entry.book.active_symbols() if symbol != entry.intent.symbol)
    limit = entry.limits.max_positions
    return verdict("account_positions", _REJECT if count >= limit else _PASS, count, limit)


def strategy_positions(entry: Entry) -> Check:
    """The strategy has a budget, and its other symbols leave room for this one."""
    budget = entry.limits.budgets.get(entry.intent.strategy)
    count = len(entry.book.symbols_of(entry.intent.strategy) - {entry.intent.symbol})
    if budget is None:
        return verdict("strategy_positions", _MISSING, count, None, "the strategy has no budget")
    limit = budget.max_positions
    return verdict("strategy_positions", _REJECT if count >= limit else _PASS, count, limit)


def price_known(entry: Entry) -> Check:
    """There is a price to judge the entry at, and without a limit it is of now. Won.

    An entry with a limit never pays more, so the age of the last trade only is noted: many symbols
    do not trade every few seconds.
    """
    limited = entry.intent.limit_price is not None
    traded_at = entry.market.traded_at(entry.intent.symbol)
    age = None if traded_at is None else entry.now - traded_at
    note = "no trade seen" if age is None else f"last trade {age / _SECOND} s ago"
    if entry.price is None:
        return verdict("price_known", _MISSING, None, 1, "no limit, reference or last price")
    if not limited and (age is None or age > entry.limits.max_price_age):
        allowed = entry.limits.max_price_age / _SECOND
        return verdict(
            "price_known", _MISSING, entry.price, 1, f"{note}, {allowed} s allowed without a limit"
        )
    return verdict("price_known", _PASS if entry.price > 0 else _REJECT, entry.price, 1, note)


def protective_stop(entry: Entry) -> Check:
    """The entry brings a stop, and it lies below the price. Won."""
    stop = entry.intent.protective_stop
    if stop is None:
        return verdict("protective_stop", _MISSING, None, entry.price, "an entry needs a stop")
    sound = 0 < stop < entry.known_price
    return verdict("protective_stop", _PASS if sound else _REJECT, stop, entry.price)


def vi_cooldown(entry: Entry) -> Check:
    """No volatility interruption now or shortly before. Value: seconds since its last event.

    An interruption is known by its own events and by the static reference of the trades, which each
    one moves. One whose end was not seen is taken to have lasted its two minutes.
    """
    symbol, cooldown = entry.intent.symbol, entry.limits.vi_cooldown
    limit = cooldown // _SECOND
    last = entry.market.interruptions.get(symbol)
    if last is None:
        if entry.market.interruptions_seen(symbol):
            return verdict("vi_cooldown", _PASS, "none", limit)
        note = "neither interruptions nor static references are seen for the symbol"
        return verdict("vi_cooldown", _MISSING, "unknown", limit, note)
    since = entry.now - last.at
    closed = _INTERRUPTION_LASTS + cooldown if last.active else cooldown
    note = "its end was not seen" if last.active else ""
    outcome = _DEFER if since < closed else _PASS
    return verdict("vi_cooldown", outcome, since / _SECOND, closed // _SECOND, note)


def price_on_tick(entry: Entry) -> Check:
    """The entry's own limit is a price that the exchange takes. Value: won, limit: tick."""
    limit = entry.intent.limit_price
    if limit is None:
        return verdict(
            "price_on_tick", _NOT_APPLICABLE, "no limit", "on tick", "the router sets the price"
        )
    board = entry.market.board(entry.intent.symbol)
    if board is None:
        return verdict("price_on_tick", _MISSING, limit, None, "market of the symbol not known")
    tick = prices.tick_size(limit, board, entry.market.day)
    return verdict("price_on_tick", _REJECT if limit % tick else _PASS, limit, tick)


def price_within_limits(entry: Entry) -> Check:
    """The price lies within the day's limits as the broker gave them."""
    # Without terms of today the check of the designation has ended the entry already.
    reference = entry.market.references[entry.intent.symbol]
    inside = reference.lower_limit <= entry.known_price <= reference.upper_limit
    limits = f"{reference.lower_limit}..{reference.upper_limit}"
    return verdict("price_within_limits", _PASS if inside else _REJECT, entry.price, limits)


def session_phase(entry: Entry) -> Check:
    """The session is in a phase that takes entries."""
    phase = entry.market.phase
    allowed = entry.limits.entry_phases
    text = " ".join(allowed)
    if phase is None:
        return verdict("session_phase", _MISSING, None, text, "no clock yet")
    return verdict("session_phase", _PASS if phase in allowed else _DEFER, phase.value, text)


def order_rate(entry: Entry) -> Check:
    """The account has not sent too many orders within a second."""
    count = entry.approvals.in_last_second(entry.now)
    limit = entry.limits.max_orders_per_second
    return verdict("order_rate", _DEFER if count >= limit else _PASS, count, limit)


def symbol_order_rate(entry: Entry) -> Check:
    """The symbol has not had too many orders within a minute."""
    count = entry.approvals.in_last_minute(entry.intent.symbol, entry.now)
    limit = entry.limits.max_orders_per_symbol_minute
    return verdict("symbol_order_rate", _DEFER if count >= limit else _PASS, count, limit)


def spread(entry: Entry) -> Check:
    """The quoted spread over the mid price is narrow enough. Basis points."""
    limit = entry.limits.max_spread_bps
    best = entry.market.best(entry.intent.symbol)
    if best is None:
        return verdict("spread", _NOT_APPLICABLE, "no quote", limit, "no quote known")
    age = entry.now - best.at
    if age > entry.limits.max_price_age:
        return verdict("spread", _MISSING, None, limit, f"the quote is {age / _SECOND} s old")
    if best.bid is None or best.ask is None:
        empty = "bid" if best.bid is None else "ask"
        return verdict("spread", _MISSING, None, limit, f"the {empty} side is empty")
    value = (best.ask - best.bid) * 20_000 / (best.ask + best.bid)
    return verdict("spread", _DEFER if value > limit else _PASS, value, limit)


def not_held(entry: Entry) -> Check:
    """An entry opens a position and never adds to one. Value: own shares."""
    owned = entry.book.owned(entry.intent.strategy, entry.intent.symbol)
    return verdict("not_held", _REJECT if owned > 0 else _PASS, owned, 0)


def not_entering(entry: Entry) -> Check:
    """The strategy is not buying the symbol already. Value: own shares being bought."""
    buying = entry.book.working.quantity(entry.intent.strategy, entry.intent.symbol, Side.BUY)
    return verdict("not_entering", _REJECT if buying > 0 else _PASS, buying, 0)


def signal_fresh(entry: Entry) -> Check:
    """One entry per strategy, symbol, signal and session."""
    signal, limit = entry.intent.signal, "once per session"
    if signal is None:
        return verdict("signal_fresh", _NOT_APPLICABLE, "no signal", limit)
    used = entry.approvals.signal_used(entry.intent)
    return verdict("signal_fresh", _REJECT if used else _PASS, signal, limit)


def entry_lock(entry: Entry) -> Check:
    """No other strategy's entry is under way in the symbol. Value: seconds left."""
    lock = entry.approvals.lock(entry.intent.symbol, entry.now)
    if lock is None or lock.owner == entry.intent.strategy:
        return verdict("entry_lock", _PASS, 0, 0)
    left = (lock.until - entry.now) / _SECOND
    return verdict("entry_lock", _DEFER, left, 0, f"held by {lock.owner}")


def opposite_order(entry: Entry) -> Check:
    """Nothing of this account works that the entry could trade with, nor an own sell.

    Buying from oneself is a wash sale under the Capital Markets Act, Article 176. Value: the
    working sell's limit in won, ``market``, or ``none``.
    """
    for order in entry.book.working.in_symbol(entry.intent.symbol):
        if order.side is Side.BUY:
            continue
        value = "market" if order.limit is None else order.limit
        if order.strategy == entry.intent.strategy:
            return verdict("opposite_order", _DEFER, value, entry.price, "own sell is working")
        if order.limit is None or order.limit <= entry.known_price:
            note = f"would cross a sell of {order.strategy}"
            return verdict("opposite_order", _DEFER, value, entry.price, note)
    return verdict("opposite_order", _PASS, "none", entry.price)
