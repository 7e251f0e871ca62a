"""Inquiries about what an account has: balances, buying power, sellable shares, assets, margin.

The balance lags behind the exchange by some seconds, as it does at KIS; buying power and sellable
quantity do not. Accounts are plain cash accounts: nothing is lent and nothing bought on credit. Won
and shares.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.calls.answers import Answer, refused, succeeded
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.paging import asked_account, page_answer, page_of
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.views import AccountView, HoldingView
from kis_gateway.simulator.facts.realised import realised, summed
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import ORDER_TYPES, percent

_BALANCE: Final = "inquire-balance"
_WITH_RESULTS: Final = "inquire-balance-rlz-pl"
_ASSETS: Final = "inquire-account-balance"
_MARKET_ORDER: Final = "01"
_CASH: Final = "현금"
_ASSET_CLASSES: Final = 20
_STOCKS, _DEPOSIT, _TOTAL = 0, 17, 19
"""Rows of the asset classes, which carry no labels."""
_DONE: Final = ("KIOK0510", "조회가 완료되었습니다")


def inquire_balance(venue: Venue, call: Call) -> Answer:
    """Return holdings, 50 rows a page (paper 20), and the account's sums as a list of one.

    What was sold out today stays listed with quantity 0.
    """
    return _balance(venue, call, _BALANCE)


def inquire_balance_rlz_pl(venue: Venue, call: Call) -> Answer:
    """Return the balance with the day's realised result."""
    return _balance(venue, call, _WITH_RESULTS)


def inquire_psbl_order(venue: Venue, call: Call) -> Answer:
    """Return buying power now; whatever names no limit is reckoned at the upper limit price."""
    return _buying_power(venue, call, "inquire-psbl-order")


def inquire_credit_psamount(venue: Venue, call: Call) -> Answer:
    """Return buying power on credit: that of cash, an account without a contract has no more."""
    return _buying_power(venue, call, "inquire-credit-psamount")


def inquire_psbl_sell(venue: Venue, call: Call) -> Answer:
    """Return how many shares of a holding may be sold now."""
    account, symbol = asked_account(call), Symbol(call.text("PDNO"))
    listing = venue.listings.get(symbol)
    held = venue.exchange.account(account).holdings.get(symbol)
    if listing is None:
        raise refused("APBK0656")
    facts: dict[str, Value] = {"pdno": symbol, "prdt_name": listing.name}
    if held is not None:
        facts = _holding_facts(venue, held) | {
            "buy_qty": held.bought_quantity,
            "sll_qty": held.sold_quantity,
            "cblc_qty": held.quantity,
            "now_pric": venue.last_price(symbol),
        }
    return succeeded(*_DONE, output=block("inquire-psbl-sell", "output").pick(facts))


def inquire_account_balance(venue: Venue, call: Call) -> Answer:
    """Return assets by class, twenty rows in fixed order, and their sums."""
    statement = venue.statement(asked_account(call))
    cost = sum(each.cost for each in statement.holdings.values())
    value = _value(venue, statement)
    form = block(_ASSETS, "output1")
    rows = [form.row() for _ in range(_ASSET_CLASSES)]
    total = value + statement.cash
    rows[_STOCKS] = form.row(
        pchs_amt=cost,
        evlu_amt=value,
        evlu_pfls_amt=value - cost,
        real_nass_amt=value,
        whol_weit_rt=percent(value, total),
    )
    rows[_DEPOSIT] = form.row(
        evlu_amt=statement.cash,
        real_nass_amt=statement.cash,
        whol_weit_rt=percent(statement.cash, total),
    )
    rows[_TOTAL] = form.row(
        pchs_amt=cost,
        evlu_amt=total,
        evlu_pfls_amt=value - cost,
        real_nass_amt=total,
        whol_weit_rt=100.0 if total else 0.0,
    )
    sums = block(_ASSETS, "output2").row(
        pchs_amt_smtl=cost,
        nass_tot_amt=total,
        evlu_pfls_amt_smtl=value - cost,
        evlu_amt_smtl=value,
        tot_asst_amt=total,
        tot_dncl_amt=statement.cash,
        dncl_amt=statement.cash,
    )
    return succeeded(*_DONE, output1=rows, output2=sums)


def intgr_margin(venue: Venue, call: Call) -> Answer:
    """Return the margin of an account that pays everything in cash."""
    view = venue.exchange.account(asked_account(call))
    names = [
        "stck_cash100_max_ord_psbl_amt",
        "stck_cash_ord_psbl_amt",
        "stck_itgr_cash100_ord_psbl_amt",
        "stck_itgr_100_ord_psbl_amt",
        "bond_max_ord_psbl_amt",
    ]
    facts: dict[str, Value] = dict.fromkeys(names, view.available_cash)
    facts |= {
        "acmga_rt": 100.0,
        "stck_cash_objt_amt": view.cash,
        "stck_cash_use_amt": view.reserved,
    }
    return succeeded(*_DONE, output=block("intgr-margin", "output").pick(facts))


def _buying_power(venue: Venue, call: Call, name: str) -> Answer:
    cash = venue.exchange.account(asked_account(call)).available_cash
    symbol, price = Symbol(call.text("PDNO", "")), call.text("ORD_UNPR", "")
    reckoned, quantity = 0, 0
    if symbol:
        listing = venue.listings.get(symbol)
        if listing is None:
            raise refused("APBK0656")
        order_type = ORDER_TYPES.get(call.text("ORD_DVSN", _MARKET_ORDER))
        limit = order_type is not None and order_type.pricing is Pricing.LIMIT
        reckoned = call.number("ORD_UNPR") if limit and price else listing.upper_limit
        per_share = reckoned * (1_000_000 + venue.settings.fee_per_million)
        quantity = max(0, cash) * 1_000_000 // per_share if reckoned else 0
    output = block(name, "output").row(
        ord_psbl_cash=cash,
        psbl_qty_calc_unpr=reckoned,
        nrcvb_buy_amt=cash,
        nrcvb_buy_qty=quantity,
        max_buy_amt=cash,
        max_buy_qty=quantity,
    )
    return succeeded(*_DONE, output=output)


def _balance(venue: Venue, call: Call, name: str) -> Answer:
    account = asked_account(call)
    statement = venue.statement(account)
    form = block(name, "output1")
    rows = [
        (str(symbol), form.pick(_holding_facts(venue, statement.holdings[symbol])))
        for symbol in sorted(statement.holdings)
    ]
    page = page_of(venue, call, name, rows)
    totals = block(name, "output2").pick(
        _account_facts(venue, statement), _result_facts(venue, statement)
    )
    return page_answer(
        venue, call, name, page, "N", "N", "01", "01", "N", output1=page.rows, output2=[totals]
    )


def _holding_facts(venue: Venue, held: HoldingView) -> dict[str, Value]:
    listing = venue.listings.get(held.symbol)
    price = venue.last_price(held.symbol) if listing is not None else 0
    base = listing.base_price if listing is not None else 0
    value = held.quantity * price
    profit = value - held.cost
    return {
        "pdno": held.symbol,
        "prdt_name": listing.name if listing is not None else "",
        "trad_dvsn_name": _CASH,
        "thdt_buyqty": held.bought_quantity,
        "thdt_sll_qty": held.sold_quantity,
        "hldg_qty": held.quantity,
        "ord_psbl_qty": held.sellable,
        "pchs_avg_pric": held.cost / held.quantity if held.quantity else 0.0,
        "pchs_amt": held.cost,
        "prpr": price,
        "evlu_amt": value,
        "evlu_pfls_amt": profit,
        "evlu_pfls_rt": percent(profit, held.cost),
        "fltt_rt": percent(price - base, base),
        "bfdy_cprs_icdc": price - base,
    }


def _account_facts(venue: Venue, statement: AccountView) -> dict[str, Value]:
    opening, held = venue.opening[statement.account], statement.holdings.values()
    cost, value = sum(each.cost for each in held), _value(venue, statement)
    total = value + statement.cash
    before = opening.cash + sum(
        each.quantity * venue.listings[each.symbol].base_price
        for each in opening.holdings
        if each.symbol in venue.listings
    )
    return {
        # Today's trades settle on the second session from now: D+0 and D+1 do not know them.
        "dnca_tot_amt": statement.settled_cash,
        "nxdy_excc_amt": statement.cash_tomorrow,
        "prvs_rcdl_excc_amt": statement.cash,
        "thdt_buy_amt": sum(each.bought_amount for each in held),
        "thdt_sll_amt": sum(each.sold_amount for each in held),
        "thdt_tlex_amt": statement.fees + statement.taxes,
        "scts_evlu_amt": value,
        "tot_evlu_amt": total,
        "nass_amt": total,
        "pchs_amt_smtl_amt": cost,
        "evlu_amt_smtl_amt": value,
        "evlu_pfls_smtl_amt": value - cost,
        "bfdy_tot_asst_evlu_amt": before,
        "asst_icdc_amt": total - before,
        "asst_icdc_erng_rt": percent(total - before, before),
    }


def _result_facts(venue: Venue, statement: AccountView) -> dict[str, Value]:
    day = summed(realised(venue, statement.account))
    cost = sum(each.cost for each in statement.holdings.values())
    open_profit = _value(venue, statement) - cost
    return {
        "rlzt_pfls": day.profit,
        "rlzt_erng_rt": percent(day.profit, day.sold_cost),
        "real_evlu_pfls": open_profit,
        "real_evlu_pfls_erng_rt": percent(open_profit, cost),
    }


def _value(venue: Venue, statement: AccountView) -> int:
    return sum(
        each.quantity * venue.last_price(each.symbol)
        for each in statement.holdings.values()
        if each.symbol in venue.listings
    )
