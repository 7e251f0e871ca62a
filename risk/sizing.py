"""Entry checks that measure size: exposure, sector, risk of the trade, liquidity, cash.

Four of them cut an entry instead of refusing it; each of those has a ``…_room`` that says how many
shares fit. Money is compared in whole won; the checks report fractions of equity, which is the
smaller of what the log and what the broker's newest statement say.
"""

from __future__ import annotations

from typing import Final

from events import costs
from events.trading import Check, CheckOutcome
from risk.entry import Entry, verdict

_PASS: Final = CheckOutcome.PASS
_MODIFY: Final = CheckOutcome.MODIFY
_REJECT: Final = CheckOutcome.REJECT
_DEFER: Final = CheckOutcome.DEFER
_MISSING: Final = CheckOutcome.MISSING
_MILLION: Final = 1_000_000


def _won(fraction: float, equity: int) -> int:
    return round(fraction * equity)


def _cut(room: int) -> CheckOutcome:
    return _MODIFY if room >= 1 else _REJECT


def _within(entry: Entry, name: str, limit: float, note: str = "") -> Check:
    total = entry.gross + entry.quantity * entry.known_price
    outcome = _REJECT if total > _won(limit, entry.equity) else _PASS
    ratio = total / entry.equity
    return verdict(name, outcome, ratio, limit, note, limit - ratio)


def gross_exposure(entry: Entry) -> Check:
    """Holdings, working buys and the entry stay within a fraction of equity."""
    return _within(entry, "gross_exposure", entry.limits.max_gross_exposure)


def net_exposure(entry: Entry) -> Check:
    """The same sum less short positions, of which there are none, has a limit of its own."""
    return _within(entry, "net_exposure", entry.limits.max_net_exposure)


def regime_cap(entry: Entry) -> Check:
    """The same sum stays within the cap of the market regime."""
    regime = entry.market.regime
    return _within(entry, "regime_cap", entry.limits.regime_caps[regime], regime.value)


def symbol_room(entry: Entry) -> int:
    """Return the shares that the limit per symbol leaves."""
    held = entry.book.exposure(entry.intent.symbol)
    return max(0, _won(entry.limits.max_position, entry.equity) - held) // entry.known_price


def symbol_exposure(entry: Entry) -> Check:
    """The symbol's holdings, working buys and the entry stay within a fraction of equity."""
    total = entry.book.exposure(entry.intent.symbol) + entry.quantity * entry.known_price
    ratio, limit = total / entry.equity, entry.limits.max_position
    fits = total <= _won(limit, entry.equity)
    outcome = _PASS if fits else _cut(symbol_room(entry))
    return verdict("symbol_exposure", outcome, ratio, limit, headroom=limit - ratio)


def sector_exposure(entry: Entry) -> Check:
    """The sector's holdings, working buys and the entry stay below a fraction of equity.

    What is held in symbols without a known sector may belong to any, so it counts in each.
    """
    symbol, limit = entry.intent.symbol, entry.limits.max_sector
    sector = entry.market.sector(symbol)
    if sector is None:
        if symbol in entry.limits.sector_allow_list:
            return verdict("sector_exposure", _PASS, "no sector", limit, "on the allow-list")
        dispute = entry.market.disputed_sectors.get(symbol)
        note = f"two sectors: {' and '.join(dispute)}" if dispute else "sector not known"
        return verdict("sector_exposure", _MISSING, None, limit, note)
    sharing = entry.market.sharing(sector, entry.book.active_symbols())
    total = entry.quantity * entry.known_price + sum(map(entry.book.exposure, sharing))
    outcome = _REJECT if total >= _won(limit, entry.equity) else _PASS
    ratio = total / entry.equity
    return verdict("sector_exposure", outcome, ratio, limit, sector, limit - ratio)


def _risk_per_share(entry: Entry) -> int:
    stop = entry.intent.protective_stop
    assert stop is not None, "the check of the protective stop comes first"
    return entry.known_price - stop


def risk_room(entry: Entry) -> int:
    """Return the shares whose loss down to the stop the strategy's budget allows."""
    budget = entry.limits.budgets[entry.intent.strategy]
    return _won(budget.max_risk, entry.equity) // _risk_per_share(entry)


def trade_risk(entry: Entry) -> Check:
    """Shares times distance to the stop stays within a fraction of equity."""
    risk = entry.quantity * _risk_per_share(entry)
    limit = entry.limits.budgets[entry.intent.strategy].max_risk
    fits = risk <= _won(limit, entry.equity)
    outcome, ratio = _PASS if fits else _cut(risk_room(entry)), risk / entry.equity
    return verdict("trade_risk", outcome, ratio, limit, headroom=limit - ratio)


def _liquid_won(entry: Entry) -> tuple[int, bool]:
    """Return the won that the last minutes' turnover allows, and whether all of it was seen."""
    seen = entry.market.recent_value(entry.intent.symbol, entry.now)
    if seen is None:
        return 0, False
    turnover, whole = seen
    return _won(entry.limits.max_five_minute_share, turnover), whole


def liquidity_room(entry: Entry) -> int:
    """Return the shares that the symbol's turnover of the last five minutes allows."""
    return _liquid_won(entry)[0] // entry.known_price


def recent_liquidity(entry: Entry) -> Check:
    """The entry stays within a fraction of what the symbol traded in the last five minutes. Won.

    While less than five minutes of its trades have been seen, what was seen is enough to let an
    entry pass, and too little to refuse it.
    """
    allowed, whole = _liquid_won(entry)
    amount = entry.quantity * entry.known_price
    if amount <= allowed:
        outcome, note = _PASS, ""
    elif not whole:
        outcome, note = _MISSING, "five minutes of its trades have not been seen"
    else:
        outcome = _MODIFY if allowed >= entry.known_price else _DEFER
        note = "too little is traded"
    return verdict("recent_liquidity", outcome, amount, allowed, note, allowed - amount)


def daily_liquidity(entry: Entry) -> Check:
    """The symbol trades enough on an ordinary day: the mean of its newest 20 sessions. Won."""
    limit = entry.limits.min_daily_value
    value = entry.market.ordinary_values.get(entry.intent.symbol)
    if value is None:
        return verdict("daily_liquidity", _MISSING, None, limit, "its daily history is not known")
    outcome = _PASS if value >= limit else _REJECT
    return verdict("daily_liquidity", outcome, value, limit, headroom=value - limit)


def cash_room(entry: Entry) -> int:
    """Return the shares that orderable cash pays for, fee included."""
    cash, price = max(0, entry.book.orderable_cash), entry.known_price
    shares = cash * _MILLION // (price * (_MILLION + costs.DEFAULT_FEE_PER_MILLION))
    # The fee is cut to whole won, which may leave enough for one share more.
    amount = (shares + 1) * price
    return shares + 1 if amount + costs.fee(amount) <= cash else shares


def orderable_cash(entry: Entry) -> Check:
    """The entry and its fee can be paid after all working buys. Won."""
    amount = entry.quantity * entry.known_price
    needed, cash = amount + costs.fee(amount), entry.book.orderable_cash
    outcome = _PASS if needed <= cash else _cut(cash_room(entry))
    settled = entry.book.settled_cash
    note = "" if settled is None else f"{settled} won are settled"
    return verdict("orderable_cash", outcome, needed, cash, note, cash - needed)
