"""Inquiries about the account: ``inquire-daily-ccld``, ``inquire-balance``, ``inquire-psbl-order``.

Orders of the day and balance lag behind the exchange by some seconds, as they do at KIS; buying
power does not. Pages continue after the last row's key, so rows that appear between two pages
neither repeat nor shift the rest. Won and shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events import Symbol
from events.prices import Board
from events.trading import Side
from kis_gateway.simulator import fields
from kis_gateway.simulator.answers import Answer, Page, Rows, paged, refused, succeeded
from kis_gateway.simulator.exchange.views import AccountView, HoldingView
from kis_gateway.simulator.ledger import Action, OrderRecord
from kis_gateway.simulator.notices import BRANCH
from kis_gateway.simulator.params import Call
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import ORDER_TYPES, Pricing, clock, percent

_SIDE_CODES: Final = {Side.SELL: "01", Side.BUY: "02"}
_SIDE_NAMES: Final = {
    (Side.SELL, Action.NEW): "현금매도",
    (Side.BUY, Action.NEW): "현금매수",
    (Side.SELL, Action.AMEND): "매도정정*",
    (Side.BUY, Action.AMEND): "매수정정*",
    (Side.SELL, Action.CANCEL): "매도취소*",
    (Side.BUY, Action.CANCEL): "매수취소*",
}
_EXCHANGE_CODES: Final = {Board.KOSPI: "02", Board.KOSDAQ: "03", Board.FUND: "02"}
_NO_ORIGINAL: Final = "0000000000"
_MARKET_ORDER: Final = "01"


def inquire_daily_ccld(venue: Venue, call: Call) -> Answer:
    """Return the day's orders with their fills, 100 rows a page (paper 15)."""
    account, now = _account(call), venue.now()
    start, end = call.text("INQR_STRT_DT"), call.text("INQR_END_DT")
    newest_first = call.text("INQR_DVSN", "00") == "00"
    wanted = call.text("ODNO", "").lstrip("0")
    shown = [
        record
        for record in venue.orders.of_account(account, now)
        if start <= venue.day <= end and _matches(record, call, now)
    ]
    totals = _order_totals(shown, now)
    if wanted:
        shown = [record for record in shown if record.number.lstrip("0") == wanted]
    if newest_first:
        shown.reverse()
    page = _page(
        [(record.number, _order_row(venue, record, now)) for record in shown],
        after=_cursor(call),
        size=15 if venue.settings.paper else 100,
        descending=newest_first,
    )
    condition = f"{account[:8]}^{account[8:]}^{start}^{end}^{call.text('SLL_BUY_DVSN_CD', '00')}^"
    return paged(
        page,
        condition=condition,
        first=not call.continued,
        paper=venue.settings.paper,
        output1=page.rows,
        output2=totals,
    )


def inquire_balance(venue: Venue, call: Call) -> Answer:
    """Return holdings, 50 rows a page (paper 20), and the account's sums as a list of one."""
    account = _account(call)
    statement = venue.statement(account)
    rows = [
        (symbol, _holding_row(venue, statement.holdings[symbol]))
        for symbol in sorted(statement.holdings)
    ]
    page = _page(rows, after=_cursor(call), size=20 if venue.settings.paper else 50)
    return paged(
        page,
        condition=f"{account[:8]}^{account[8:]}^N^N^01^01^N^",
        first=not call.continued,
        paper=venue.settings.paper,
        output1=page.rows,
        output2=[_balance_totals(venue, statement)],
    )


def inquire_psbl_order(venue: Venue, call: Call) -> Answer:
    """Return buying power now; a market order is reckoned at the upper limit price."""
    account = _account(call)
    cash = venue.exchange.account(account).available_cash
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
        quantity = cash * 1_000_000 // per_share if reckoned else 0
    output = fields.BUYING_POWER.row(
        ord_psbl_cash=cash,
        psbl_qty_calc_unpr=reckoned,
        nrcvb_buy_amt=cash,
        nrcvb_buy_qty=quantity,
        max_buy_amt=cash,
        max_buy_qty=quantity,
    )
    return succeeded("KIOK0510", "조회가 완료되었습니다", output=output)


def _account(call: Call) -> str:
    account = call.text("CANO") + call.text("ACNT_PRDT_CD")
    if account != call.credentials.account:
        raise refused("OPSQ2000")
    return account


def _cursor(call: Call) -> str:
    return call.text("CTX_AREA_NK100", "") if call.continued else ""


def _page(
    rows: Sequence[tuple[str, dict[str, str]]],
    *,
    after: str,
    size: int,
    descending: bool = False,
) -> Page:
    """Return the rows past the key ``after``; ``rows`` come in order of their keys."""
    if after:
        rows = [(key, row) for key, row in rows if (key < after if descending else key > after)]
    chosen = rows[:size]
    shown: Rows = [row for _, row in chosen]
    return Page(rows=shown, next_key=chosen[-1][0] if len(rows) > size else None)


def _matches(record: OrderRecord, call: Call, now: int) -> bool:
    side = call.text("SLL_BUY_DVSN_CD", "00")
    if side not in ("", "00", _SIDE_CODES[record.side]):
        return False
    if call.text("PDNO", "") not in ("", record.symbol):
        return False
    filter_code = call.text("CCLD_DVSN", "00")
    if filter_code == "01":
        return record.status(now).filled > 0
    if filter_code == "02":
        return record.status(now).remaining > 0
    return True


def _order_row(venue: Venue, record: OrderRecord, now: int) -> dict[str, str]:
    status, listing = record.status(now), venue.listings[record.symbol]
    cancel = record.action is Action.CANCEL
    return fields.DAILY_ORDER.row(
        ord_dt=venue.day,
        ord_gno_brno=BRANCH,
        odno=record.number,
        orgn_odno=record.original or _NO_ORIGINAL,
        ord_dvsn_name=record.order_type.label,
        sll_buy_dvsn_cd=_SIDE_CODES[record.side],
        sll_buy_dvsn_cd_name=_SIDE_NAMES[record.side, record.action],
        pdno=record.symbol,
        prdt_name=listing.name,
        ord_qty=record.quantity,
        ord_unpr=record.price,
        ord_tmd=clock(record.at),
        tot_ccld_qty=status.filled,
        avg_prvs=_average(status.amount, status.filled),
        cncl_yn="Y" if cancel else "N",
        tot_ccld_amt=status.amount,
        ord_dvsn_cd=record.order_type.code,
        cnc_cfrm_qty=status.withdrawn,
        cncl_cfrm_qty=status.withdrawn,
        rmn_qty=status.remaining,
        rjct_qty=status.rejected,
        ccld_cndt_name={"0": "없음", "1": "IOC", "2": "FOK"}[record.order_type.condition],
        infm_tmd=clock(record.at),
        prdt_type_cd="300",
        excg_dvsn_cd=_EXCHANGE_CODES[listing.board],
        ord_orgno=BRANCH,
        excg_id_dvsn_Cd="KRX",
    )


def _order_totals(records: Sequence[OrderRecord], now: int) -> dict[str, str]:
    orders = [record for record in records if record.action is not Action.CANCEL]
    statuses = [record.status(now) for record in orders]
    filled = sum(status.filled for status in statuses)
    amount = sum(status.amount for status in statuses)
    return fields.DAILY_ORDER_TOTALS.row(
        tot_ord_qty=sum(record.quantity for record in orders),
        tot_ccld_qty=filled,
        tot_ccld_amt=amount,
        prsm_tlex_smtl=sum(status.costs for status in statuses),
        pchs_avg_pric=amount / filled if filled else 0.0,
    )


def _average(amount: int, quantity: int) -> str:
    """Return the mean price, with decimals only when it has any."""
    if quantity == 0:
        return "0"
    return str(amount // quantity) if amount % quantity == 0 else f"{amount / quantity:.4f}"


def _holding_row(venue: Venue, held: HoldingView) -> dict[str, str]:
    listing = venue.listings.get(held.symbol)
    price = venue.last_price(held.symbol) if listing is not None else 0
    base = listing.base_price if listing is not None else 0
    value = held.quantity * price
    return fields.BALANCE_HOLDING.row(
        pdno=held.symbol,
        prdt_name=listing.name if listing is not None else "",
        trad_dvsn_name="현금",
        thdt_buyqty=held.bought_quantity,
        thdt_sll_qty=held.sold_quantity,
        hldg_qty=held.quantity,
        ord_psbl_qty=held.sellable,
        pchs_avg_pric=held.cost / held.quantity if held.quantity else 0.0,
        pchs_amt=held.cost,
        prpr=price,
        evlu_amt=value,
        evlu_pfls_amt=value - held.cost,
        evlu_pfls_rt=percent(value - held.cost, held.cost),
        fltt_rt=percent(price - base, base),
        bfdy_cprs_icdc=price - base,
    )


def _balance_totals(venue: Venue, statement: AccountView) -> dict[str, str]:
    opening, held = venue.opening[statement.account], statement.holdings.values()
    cost = sum(each.cost for each in held)
    value = sum(
        each.quantity * venue.last_price(each.symbol)
        for each in held
        if each.symbol in venue.listings
    )
    total = value + statement.cash
    before = opening.cash + sum(
        each.quantity * venue.listings[each.symbol].base_price
        for each in opening.holdings
        if each.symbol in venue.listings
    )
    return fields.BALANCE_TOTALS.row(
        # Today's trades settle on the second session from now: D+0 and D+1 do not know them.
        dnca_tot_amt=opening.cash,
        nxdy_excc_amt=opening.cash,
        prvs_rcdl_excc_amt=statement.cash,
        thdt_buy_amt=sum(each.bought_amount for each in held),
        thdt_sll_amt=sum(each.sold_amount for each in held),
        thdt_tlex_amt=statement.fees + statement.taxes,
        scts_evlu_amt=value,
        tot_evlu_amt=total,
        nass_amt=total,
        pchs_amt_smtl_amt=cost,
        evlu_amt_smtl_amt=value,
        evlu_pfls_smtl_amt=value - cost,
        bfdy_tot_asst_evlu_amt=before,
        asst_icdc_amt=total - before,
        asst_icdc_erng_rt=percent(total - before, before),
    )
