"""Profit and loss of a period, by day and by trade. The simulator knows one day."""

from __future__ import annotations

from typing import Final

from kis_gateway.simulator.calls.answers import Answer, Page
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.paging import asked_account, page_answer, page_of
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.facts.realised import Realised, realised, summed
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import percent

_BY_DAY: Final = "inquire-period-profit"
_BY_TRADE: Final = "inquire-period-trade-profit"


def inquire_period_profit(venue: Venue, call: Call) -> Answer:
    """Return one row for today when anything was traded."""
    days = realised(venue, asked_account(call)) if _covers_today(venue, call) else {}
    total = summed(days)
    rows = []
    if days:
        rows.append(
            block(_BY_DAY, "output1").row(
                trad_dt=venue.day,
                buy_amt=total.bought_amount,
                sll_amt=total.sold_amount,
                rlzt_pfls=total.profit,
                fee=total.buy_fee + total.sell_fee,
                tl_tax=total.tax,
                pfls_rt=percent(total.profit, total.sold_cost),
                sll_qty1=total.sold,
                buy_qty1=total.bought,
            )
        )
    totals = block(_BY_DAY, "output2").pick(_totals(total))
    page = Page(rows=rows, next_key=None)
    return page_answer(venue, call, _BY_DAY, page, output1=rows, output2=totals)


def inquire_period_trade_profit(venue: Venue, call: Call) -> Answer:
    """Return one row for each issue traded today."""
    days = realised(venue, asked_account(call)) if _covers_today(venue, call) else {}
    wanted = call.text("PDNO", "")
    days = {symbol: day for symbol, day in days.items() if wanted in ("", symbol)}
    rows = []
    for symbol, day in sorted(days.items()):
        row = block(_BY_TRADE, "output1").row(
            trad_dt=venue.day,
            pdno=symbol,
            prdt_name=venue.listings[symbol].name,
            trad_dvsn_name="현금",
            hldg_qty=day.quantity,
            pchs_unpr=_mean(day.sold_cost + day.cost, day.sold + day.quantity),
            buy_qty=day.bought,
            buy_amt=day.bought_amount,
            sll_pric=_mean(day.sold_amount, day.sold),
            sll_qty=day.sold,
            sll_amt=day.sold_amount,
            rlzt_pfls=day.profit,
            pfls_rt=percent(day.profit, day.sold_cost),
            fee=day.buy_fee + day.sell_fee,
            tl_tax=day.tax,
        )
        rows.append((symbol, row))
    page = page_of(venue, call, _BY_TRADE, [(str(symbol), row) for symbol, row in rows])
    totals = block(_BY_TRADE, "output2").pick(_totals(summed(days)))
    return page_answer(venue, call, _BY_TRADE, page, output1=page.rows, output2=totals)


def _covers_today(venue: Venue, call: Call) -> bool:
    return call.text("INQR_STRT_DT") <= venue.day <= call.text("INQR_END_DT")


def _totals(total: Realised) -> dict[str, Value]:
    fee = total.buy_fee + total.sell_fee
    return {
        "sll_qty_smtl": total.sold,
        "sll_tr_amt_smtl": total.sold_amount,
        "sll_fee_smtl": total.sell_fee,
        "sll_tltx_smtl": total.tax,
        "sll_excc_amt_smtl": total.sold_amount - total.sell_fee - total.tax,
        "buy_qty_smtl": total.bought,
        "buyqty_smtl": total.bought,
        "buy_tr_amt_smtl": total.bought_amount,
        "buy_fee_smtl": total.buy_fee,
        "buy_excc_amt_smtl": total.bought_amount + total.buy_fee,
        "tot_qty": total.sold + total.bought,
        "tot_tr_amt": total.sold_amount + total.bought_amount,
        "tot_fee": fee,
        "tot_tltx": total.tax,
        "tot_excc_amt": total.sold_amount - total.bought_amount - fee - total.tax,
        "tot_rlzt_pfls": total.profit,
        "tot_pftrt": percent(total.profit, total.sold_cost),
    }


def _mean(amount: int, quantity: int) -> int:
    return amount // quantity if quantity else 0
