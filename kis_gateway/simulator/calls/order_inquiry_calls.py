"""Inquiries about orders: of the day (``inquire-daily-ccld``) and open ones (``…-psbl-rvsecncl``).

Both lag behind the exchange by some seconds, as they do at KIS. The simulator knows one day: the
TR id for orders older than three months finds nothing. Won and shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.prices import Board
from events.trading import Side
from kis_gateway.simulator.calls.answers import Answer
from kis_gateway.simulator.calls.fields import Row, block
from kis_gateway.simulator.calls.paging import asked_account, page_answer, page_of
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.feeds.notices import BRANCH
from kis_gateway.simulator.ledger import Action, OrderRecord
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock

SIDE_CODES: Final = {Side.SELL: "01", Side.BUY: "02"}
_SIDE_NAMES: Final = {
    (Side.SELL, Action.NEW): "현금매도",
    (Side.BUY, Action.NEW): "현금매수",
    (Side.SELL, Action.AMEND): "매도정정*",
    (Side.BUY, Action.AMEND): "매수정정*",
    (Side.SELL, Action.CANCEL): "매도취소*",
    (Side.BUY, Action.CANCEL): "매수취소*",
}
_ACTION_NAMES: Final = {Action.NEW: "", Action.AMEND: "정정", Action.CANCEL: "취소"}
_EXCHANGE_CODES: Final = {Board.KOSPI: "02", Board.KOSDAQ: "03", Board.FUND: "02"}
_CONDITIONS: Final = {"0": "없음", "1": "IOC", "2": "FOK"}
_NO_ORIGINAL: Final = "0000000000"
_ALL: Final = ("", "00", "ALL")
_CASH: Final = ("", "00", "01")
_DAILY: Final = "inquire-daily-ccld"
_OPEN: Final = "inquire-psbl-rvsecncl"


def inquire_daily_ccld(venue: Venue, call: Call) -> Answer:
    """Return the day's orders with their fills, 100 rows a page (paper 15)."""
    account, now = asked_account(call), venue.now()
    start, end = call.text("INQR_STRT_DT"), call.text("INQR_END_DT")
    newest_first = call.text("INQR_DVSN", "00") == "00"
    wanted = call.text("ODNO", "").lstrip("0")
    shown = [
        record
        for record in venue.orders.of_account(account, now)
        if call.variant != "older" and start <= venue.day <= end and _matches(record, call, now)
    ]
    totals = _totals(shown, now)
    if wanted:
        shown = [record for record in shown if record.number.lstrip("0") == wanted]
    if newest_first:
        shown.reverse()
    rows = [(record.number, _daily_row(venue, record, now)) for record in shown]
    page = page_of(venue, call, _DAILY, rows, descending=newest_first)
    side = call.text("SLL_BUY_DVSN_CD", "00")
    return page_answer(
        venue, call, _DAILY, page, start, end, side, output1=page.rows, output2=totals
    )


def inquire_psbl_rvsecncl(venue: Venue, call: Call) -> Answer:
    """Return the orders that may be amended or cancelled, by number, 50 rows a page."""
    account, now = asked_account(call), venue.now()
    side = call.text("INQR_DVSN_2", "0")
    rows = []
    for record in venue.orders.of_account(account, now):
        left = record.status(now).remaining
        wanted = side in ("", "0") or SIDE_CODES[record.side] == f"0{side}"
        if left > 0 and record.action is not Action.CANCEL and wanted:
            rows.append((record.number, _open_row(venue, record, now)))
    page = page_of(venue, call, _OPEN, rows)
    return page_answer(venue, call, _OPEN, page, output=page.rows)


def _matches(record: OrderRecord, call: Call, now: int) -> bool:
    if call.text("SLL_BUY_DVSN_CD", "00") not in (*_ALL, SIDE_CODES[record.side]):
        return False
    if call.text("PDNO", "") not in ("", record.symbol):
        return False
    if call.text("ORD_GNO_BRNO", "") not in ("", BRANCH):
        return False
    # No credit, no ELW, no free board: other filters of kind find nothing.
    if call.text("INQR_DVSN_3", "00") not in _CASH or call.text("INQR_DVSN_1", ""):
        return False
    if call.text("EXCG_ID_DVSN_CD", "") not in (*_ALL, record.route.value):
        return False
    filter_code = call.text("CCLD_DVSN", "00")
    if filter_code == "01":
        return record.status(now).filled > 0
    if filter_code == "02":
        return record.status(now).remaining > 0
    return True


def _daily_row(venue: Venue, record: OrderRecord, now: int) -> Row:
    status, listing = record.status(now), venue.listings[record.symbol]
    return block(_DAILY, "output1").row(
        ord_dt=venue.day,
        ord_gno_brno=BRANCH,
        odno=record.number,
        orgn_odno=record.original or _NO_ORIGINAL,
        ord_dvsn_name=record.order_type.label,
        sll_buy_dvsn_cd=SIDE_CODES[record.side],
        sll_buy_dvsn_cd_name=_SIDE_NAMES[record.side, record.action],
        pdno=record.symbol,
        prdt_name=listing.name,
        ord_qty=record.quantity,
        ord_unpr=record.price,
        ord_tmd=clock(record.at),
        tot_ccld_qty=status.filled,
        avg_prvs=_average(status.amount, status.filled),
        cncl_yn="Y" if record.action is Action.CANCEL else "N",
        tot_ccld_amt=status.amount,
        ord_dvsn_cd=record.order_type.code,
        cnc_cfrm_qty=status.withdrawn,
        cncl_cfrm_qty=status.withdrawn,
        rmn_qty=status.remaining,
        rjct_qty=status.rejected,
        ccld_cndt_name=_CONDITIONS[record.order_type.condition],
        infm_tmd=clock(record.at),
        prdt_type_cd="300",
        excg_dvsn_cd=_EXCHANGE_CODES[listing.board],
        ord_orgno=BRANCH,
        excg_id_dvsn_Cd=record.route.value,
        stpm_cndt_pric=record.trigger,
    )


def _open_row(venue: Venue, record: OrderRecord, now: int) -> Row:
    status, listing = record.status(now), venue.listings[record.symbol]
    return block(_OPEN, "output").row(
        ord_gno_brno=BRANCH,
        odno=record.number,
        orgn_odno=record.original or _NO_ORIGINAL,
        ord_dvsn_name=record.order_type.label,
        pdno=record.symbol,
        prdt_name=listing.name,
        rvse_cncl_dvsn_name=_ACTION_NAMES[record.action],
        ord_qty=record.quantity,
        ord_unpr=record.price,
        ord_tmd=clock(record.at),
        tot_ccld_qty=status.filled,
        tot_ccld_amt=status.amount,
        psbl_qty=status.remaining,
        sll_buy_dvsn_cd=SIDE_CODES[record.side],
        ord_dvsn_cd=record.order_type.code,
        excg_dvsn_cd=_EXCHANGE_CODES[listing.board],
        excg_id_dvsn_cd=record.route.value,
        excg_id_dvsn_name=record.route.value,
        stpm_cndt_pric=record.trigger,
    )


def _totals(records: Sequence[OrderRecord], now: int) -> Row:
    orders = [record for record in records if record.action is not Action.CANCEL]
    statuses = [record.status(now) for record in orders]
    filled = sum(status.filled for status in statuses)
    amount = sum(status.amount for status in statuses)
    return block(_DAILY, "output2").row(
        tot_ord_qty=sum(record.quantity for record in orders),
        tot_ccld_qty=filled,
        tot_ccld_amt=amount,
        prsm_tlex_smtl=sum(status.costs for status in statuses),
        pchs_avg_pric=amount / filled if filled else 0.0,
    )


def _average(amount: int, quantity: int) -> str:
    """Return the mean price, with decimals only when it has any, as the service writes it."""
    if quantity == 0:
        return "0"
    return str(amount // quantity) if amount % quantity == 0 else f"{amount / quantity:.4f}"
