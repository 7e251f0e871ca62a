"""Entry checks that measure size: exposure, sector, risk of the trade, cash.

Three of them cut an entry instead of refusing it; each of those has a ``…_room`` that says how many
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
_MISSING: Final = CheckOutcome.MISSING
_MILLION: Final = 1_000_000


def _won(fraction: float, equity: int) -> int:
    return round(fraction * equity)


def _fit(room: int, quantity: int) -> CheckOutcome:
    if room >= quantity:
        return _PASS
    return _MODIFY if room >= 1 else _REJECT


def gross_exposure(entry: Entry) -> Check:
    """Holdings, working buys and the entry stay within a fraction of equity."""
    total = entry.book.gross_exposure + entry.quantity * entry.known_price
    limit = entry.limits.max_gross_exposure
    outcome = _REJECT if total > _won(limit, entry.equity) else _PASS
    return verdict("gross_exposure", outcome, total / entry.equity, limit)


def regime_cap(entry: Entry) -> Check:
    """The same sum stays within the cap of the market regime."""
    regime = entry.market.regime
    total = entry.book.gross_exposure + entry.quantity * entry.known_price
    limit = entry.limits.regime_caps[regime]
    outcome = _REJECT if total > _won(limit, entry.equity) else _PASS
    return verdict("regime_cap", outcome, total / entry.equity, limit, regime.value)


def symbol_room(entry: Entry) -> int:
    """Return the shares that the limit per symbol leaves."""
    held = entry.book.exposure(entry.intent.symbol)
    return max(0, _won(entry.limits.max_position, entry.equity) - held) // entry.known_price


def symbol_exposure(entry: Entry) -> Check:
    """The symbol's holdings, working buys and the entry stay within a fraction of equity."""
    total = entry.book.exposure(entry.intent.symbol) + entry.quantity * entry.known_price
    outcome = _fit(symbol_room(entry), entry.quantity)
    return verdict("symbol_exposure", outcome, total / entry.equity, entry.limits.max_position)


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
    total = entry.quantity * entry.known_price + sum(
        entry.book.exposure(other)
        for other in entry.book.active_symbols()
        if entry.market.sector(other) in (sector, None)
    )
    outcome = _REJECT if total >= _won(limit, entry.equity) else _PASS
    return verdict("sector_exposure", outcome, total / entry.equity, limit, sector)


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
    return verdict("trade_risk", _fit(risk_room(entry), entry.quantity), risk / entry.equity, limit)


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
    outcome = _fit(cash_room(entry), entry.quantity)
    return verdict("orderable_cash", outcome, amount + costs.fee(amount), entry.book.orderable_cash)
