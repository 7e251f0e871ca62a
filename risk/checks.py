"""Entry checks that say yes or no: halts, loss, counts, market state, prices, rates.

Each is a pure function of an ``Entry``. ``MISSING`` means that there was no data to judge by; how
that ends is written in the table of ``entries``. No exit ever comes here.
"""

from __future__ import annotations

from typing import Final

from events import prices
from events.control import Halt
from events.trading import Check, CheckOutcome
from risk.entry import Entry, verdict
from risk.halts import ACCOUNT_LOSS, SELF_CLEARING

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
    outcome = _PASS if entry.quantity >= 1 else _REJECT
    return verdict("quantity", outcome, entry.quantity, 1, headroom=entry.quantity - 1)


def expiry(entry: Entry) -> Check:
    """The wish has not lapsed. Values are ns UTC."""
    until = entry.intent.expires_at
    outcome = _REJECT if entry.now > until else _PASS
    return verdict("expiry", outcome, entry.now, until, headroom=until - entry.now)


def equity_known(entry: Entry) -> Check:
    """There is equity to measure against: now, at the broker, at the session's open. Won."""
    known = entry.equity > 0 and entry.book.opening_equity > 0
    value = min(entry.equity, entry.book.opening_equity)
    return verdict("equity_known", _PASS if known else _DEFER, value, 0, headroom=value)


_OFF: Final = {
    name: verdict(name, _PASS, "off", "off")
    for name in ("safe_mode", "flatten", "entries_halted", "strategy_paused", "symbol_frozen")
}
"""What the checks of halts say on nearly every day."""


def _halted(name: str, halt: Halt | None, outcome: CheckOutcome = _REJECT) -> Check:
    if halt is None:
        return _OFF[name]
    note = f"{halt.target}: {halt.reason} ({halt.issued_by})"
    return verdict(name, outcome, halt.trigger.value, "off", note)


def safe_mode(entry: Entry) -> Check:
    """No halt on the account that ends by itself. Value: what set it off."""
    return _halted("safe_mode", entry.controls.of_account(self_clearing=True), _DEFER)


def flatten(entry: Entry) -> Check:
    """Nothing is being sold out that this would buy. Value: what set the halt off."""
    return _halted("flatten", entry.controls.flattening(entry.intent.strategy, entry.intent.symbol))


def entries_halted(entry: Entry) -> Check:
    """No halt on the account that somebody has to lift. Value: what set it off."""
    return _halted("entries_halted", entry.controls.of_account(self_clearing=False))


def strategy_paused(entry: Entry) -> Check:
    """No halt on the strategy. Value: what set it off."""
    return _halted("strategy_paused", entry.controls.of_strategy(entry.intent.strategy))


def symbol_frozen(entry: Entry) -> Check:
    """No halt on the symbol, by an operator, drift or an unknown order. Value: what set it off."""
    halt = entry.controls.of_symbol(entry.intent.symbol)
    waits = halt is not None and halt.trigger in SELF_CLEARING
    return _halted("symbol_frozen", halt, _DEFER if waits else _REJECT)


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


_TRADING: Final = verdict("trading_halt", _PASS, "trading", "trading")


def trading_halt(entry: Entry) -> Check:
    """The exchange has not halted the symbol, as far as its operation feed is received."""
    operation = entry.market.operations.get(entry.intent.symbol)
    if operation is None:
        return verdict("trading_halt", _MISSING, None, "trading", "no word from the exchange today")
    if operation.halted:
        return verdict("trading_halt", _DEFER, "halted", "trading", operation.reason)
    return _TRADING


def _day_loss(entry: Entry, name: str, fraction: float) -> Check:
    """While the halt that this loss sets is in force, an earlier check has ended the entry."""
    book = entry.book
    result, opening = book.day_result, book.opening_equity
    lost = result <= -round(fraction * opening)
    ratio = result / opening
    note = _guessed(book.unpriced)
    release = entry.controls.release_of(ACCOUNT_LOSS)
    if lost and release is not None:
        note = f"entries allowed by {release.issued_by}: {release.reason}"
        return verdict(name, _PASS, ratio, -fraction, note, ratio + fraction)
    return verdict(name, _REJECT if lost else _PASS, ratio, -fraction, note, ratio + fraction)


def _guessed(unpriced: int) -> str:
    return f"holdings without a price, at opening value: {unpriced}" if unpriced else ""


def daily_halt(entry: Entry) -> Check:
    """The day's result over opening equity has stayed above the halt level."""
    return _day_loss(entry, "daily_halt", entry.limits.daily_loss_halt)


def daily_warn(entry: Entry) -> Check:
    """The day's result over opening equity has stayed above the warn level."""
    return _day_loss(entry, "daily_warn", entry.limits.daily_loss_warn)


def account_positions(entry: Entry) -> Check:
    """Other symbols with shares or working buys leave room for this one."""
    active = entry.book.active_symbols()
    count = len(active) - (entry.intent.symbol in active)
    limit = entry.limits.max_positions
    outcome = _REJECT if count >= limit else _PASS
    return verdict("account_positions", outcome, count, limit, headroom=limit - count)


def strategy_positions(entry: Entry) -> Check:
    """The strategy has a budget, and its other symbols leave room for this one."""
    budget = entry.limits.budgets.get(entry.intent.strategy)
    symbols = entry.book.symbols_of(entry.intent.strategy)
    count = len(symbols) - (entry.intent.symbol in symbols)
    if budget is None:
        return verdict("strategy_positions", _MISSING, count, None, "the strategy has no budget")
    limit = budget.max_positions
    outcome = _REJECT if count >= limit else _PASS
    return verdict("strategy_positions", outcome, count, limit, headroom=limit - count)


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
    outcome = _PASS if entry.price > 0 else _REJECT
    return verdict("price_known", outcome, entry.price, 1, note, entry.price - 1)


def protective_stop(entry: Entry) -> Check:
    """The entry brings a stop, and it lies below the price. Won."""
    stop = entry.intent.protective_stop
    if stop is None:
        return verdict("protective_stop", _MISSING, None, entry.price, "an entry needs a stop")
    sound = 0 < stop < entry.known_price
    room = entry.known_price - stop
    outcome = _PASS if sound else _REJECT
    return verdict("protective_stop", outcome, stop, entry.price, headroom=room)


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
    over = (since - closed) / _SECOND
    return verdict("vi_cooldown", outcome, since / _SECOND, closed // _SECOND, note, over)


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
    off = limit % tick
    return verdict("price_on_tick", _REJECT if off else _PASS, limit, tick, headroom=-off)


def price_within_limits(entry: Entry) -> Check:
    """The price lies within the day's limits as the broker gave them."""
    # Without terms of today the check of the designation has ended the entry already.
    reference = entry.market.references[entry.intent.symbol]
    low, high, price = reference.lower_limit, reference.upper_limit, entry.known_price
    outcome = _PASS if low <= price <= high else _REJECT
    room = min(price - low, high - price)
    return verdict("price_within_limits", outcome, price, f"{low}..{high}", headroom=room)


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
    outcome = _DEFER if count >= limit else _PASS
    return verdict("order_rate", outcome, count, limit, headroom=limit - count)


def symbol_order_rate(entry: Entry) -> Check:
    """The symbol has not had too many orders within a minute."""
    count = entry.approvals.in_last_minute(entry.intent.symbol, entry.now)
    limit = entry.limits.max_orders_per_symbol_minute
    outcome = _DEFER if count >= limit else _PASS
    return verdict("symbol_order_rate", outcome, count, limit, headroom=limit - count)


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
    outcome = _DEFER if value > limit else _PASS
    return verdict("spread", outcome, value, limit, headroom=limit - value)
