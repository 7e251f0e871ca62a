"""Calendar, product and company data, news, market funds, watchlists: what changes slowly.

The calendar is the project's own. Company figures are made up (see ``fundamentals``), corporate
events, news, opinions and saved searches do not exist in a simulated market: their lists are empty
with KIOK0560, as the service answers when there is nothing.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from events import Symbol
from events.calendar import is_session
from events.errors import CalendarHorizon
from events.prices import Board
from kis_gateway.simulator.calls.answers import Answer, quoted, refused, succeeded
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Interruption, Listing
from kis_gateway.simulator.facts.fundamentals import FACE_VALUE, business_years, year_facts
from kis_gateway.simulator.facts.index_facts import index_daily_facts, members
from kis_gateway.simulator.facts.issue_facts import asked_listing, today
from kis_gateway.simulator.facts.masters import english_name, standard_code
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock

_HOLIDAY_ROWS: Final = 24
_FUND_ROWS: Final = 100
_LISTED_ON: Final = "20000104"
_MARKET_IDS: Final = {Board.KOSPI: "STK", Board.KOSDAQ: "KSQ", Board.FUND: "STK"}
_EXCHANGES: Final = {Board.KOSPI: "02", Board.KOSDAQ: "03", Board.FUND: "02"}
_STOCK: Final = "300"
_HUNDRED_MILLION: Final = 100_000_000


def nothing(name: str) -> _Nothing:
    """Return the answer of a call that finds nothing: lists empty, objects complete."""
    return _Nothing(name)


class _Nothing:
    """KIOK0560 with empty lists."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, venue: Venue, call: Call) -> Answer:
        blocks: dict[str, object] = {}
        for key in ("output", "output1", "output2", "output3", "output4"):
            try:
                form = block(self._name, key)
            except KeyError:
                continue
            blocks[key] = [] if form.is_list else form.row()
        return succeeded("KIOK0560", "조회할 내용이 없습니다", **blocks)


def company_years(name: str) -> _CompanyYears:
    """Return the answer of a call about a company's business years, newest first."""
    return _CompanyYears(name)


class _CompanyYears:
    """One of the ``finance`` calls."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, venue: Venue, call: Call) -> Answer:
        listing = asked_listing(venue, call)
        output = block(self._name, "output")
        years = business_years(venue.day)
        return quoted(output=[output.pick(year_facts(listing, year)) for year in years])


def chk_holiday(venue: Venue, call: Call) -> Answer:
    """Return 24 days from a date on: working, trading, open and settlement day or not.

    A day past the verified part of the calendar is left out.
    """
    first = _date(call.text("BASS_DT"))
    output, rows = block("chk-holiday", "output"), []
    for number in range(_HOLIDAY_ROWS):
        day = first + timedelta(days=number)
        try:
            opened = "Y" if is_session(day) else "N"
        except CalendarHorizon:
            break
        working = "Y" if day.weekday() < 5 and opened == "Y" else "N"
        rows.append(
            output.row(
                bass_dt=f"{day:%Y%m%d}",
                wday_dvsn_cd=f"{(day.weekday() + 1) % 7 + 1:02d}",
                bzdy_yn=working,
                tr_day_yn=opened,
                opnd_yn=opened,
                sttl_day_yn=opened,
            )
        )
    answer = succeeded("KIOK0460", "조회 되었습니다. (마지막 자료)", output=rows)
    return Answer(
        body={
            "ctx_area_fk": first.strftime("%Y%m%d").ljust(20),
            "ctx_area_nk": " " * 20,
            **answer.body,
        },
        tr_cont="D",
    )


def inquire_vi_status(venue: Venue, call: Call) -> Answer:
    """Return the day's volatility interruptions, newest first, and where they stand."""
    wanted = call.text("FID_INPUT_ISCD", "")
    rows: dict[tuple[Symbol, int], dict[str, Value]] = {}
    counts: dict[Symbol, int] = {}
    lasting: dict[Symbol, tuple[Symbol, int]] = {}
    for shown in venue.interruptions:
        key = lasting.get(shown.symbol)
        if shown.interrupted and key is None:
            counts[shown.symbol] = counts.get(shown.symbol, 0) + 1
            key = lasting[shown.symbol] = shown.symbol, shown.at
            reference, price = shown.reference_price, shown.trigger_price
            apart = (price - reference) * 100 / reference if price and reference else 0.0
            rows[key] = {
                "hts_kor_isnm": venue.listings[shown.symbol].name,
                "mksc_shrn_iscd": shown.symbol,
                "vi_cls_code": "Y",
                "bsop_date": venue.day,
                "cntg_vi_hour": clock(shown.at),
                "vi_kind_code": "1" if shown.kind is Interruption.STATIC else "2",
                "vi_prc": price,
                "vi_stnd_prc": reference,
                "vi_dprt": apart,
                "vi_dmc_stnd_prc": reference,
                "vi_dmc_dprt": apart,
                "vi_count": counts[shown.symbol],
            }
        elif not shown.interrupted and key is not None:
            rows[key] |= {"vi_cls_code": "N", "vi_cncl_hour": clock(shown.at)}
            del lasting[shown.symbol]
    output = block("inquire-vi-status", "output")
    found = [row for (symbol, _), row in reversed(rows.items()) if wanted in ("", symbol)]
    return quoted(output=[output.pick(row) for row in found])


def search_info(venue: Venue, call: Call) -> Answer:
    """Return an issue as a product; only domestic stocks (type 300) are known.

    Raises:
        CallRefused: no such issue of that type (KIOK0530, rt_cd 7).
    """
    listing = venue.listings.get(Symbol(call.text("PDNO")))
    if listing is None or call.text("PRDT_TYPE_CD") != _STOCK:
        raise refused("KIOK0530")
    facts: dict[str, Value] = {
        "sale_strt_dt": _LISTED_ON,
        "sale_end_dt": "99991231",
        "frst_erlm_dt": _LISTED_ON,
        "ivst_prdt_type_cd": "1001",
        "ivst_prdt_type_cd_name": "주식",
        "prdt_clsf_name": "주권",
    }
    return quoted(output=block("search-info", "output").pick(_product(listing), facts))


def search_stock_info(venue: Venue, call: Call) -> Answer:
    """Return an issue's master data."""
    listing = venue.listings.get(Symbol(call.text("PDNO")))
    if listing is None:
        raise refused("APBK0656")
    history = venue.market.daily_history(listing.symbol)
    before = history[-1].close if history else listing.base_price
    listed = "kosdaq_mket_lstg_dt" if listing.board is Board.KOSDAQ else "scts_mket_lstg_dt"
    facts: dict[str, Value] = {
        "mket_id_cd": _MARKET_IDS[listing.board],
        "scty_grp_id_cd": "EF" if listing.board is Board.FUND else "ST",
        "excg_dvsn_cd": _EXCHANGES[listing.board],
        "setl_mmdd": "1231",
        "lstg_stqt": listing.listed_shares,
        "lstg_cptl_amt": FACE_VALUE * listing.listed_shares,
        "cpta": FACE_VALUE * listing.listed_shares,
        "papr": FACE_VALUE,
        "kospi200_item_yn": "Y" if listing.large else "N",
        listed: _LISTED_ON,
        "stck_kind_cd": "101",
        "nwst_odst_dvsn_cd": "0",
        "sbst_pric": before * 8 // 10,
        "thco_sbst_pric": before * 8 // 10,
        "tr_stop_yn": "Y" if venue.tapes[listing.symbol].halted else "N",
        "thdt_clpr": today(venue, listing).close,
        "bfdy_clpr": before,
        "clpr_chng_dt": venue.day,
        "std_idst_clsf_cd_name": listing.sector,
        "idx_bztp_lcls_cd_name": "시가총액규모대",
        "idx_bztp_scls_cd_name": listing.sector,
        "elec_scty_yn": "Y",
        "cptt_trad_tr_psbl_yn": "Y" if listing.nxt else "N",
        "nxt_tr_stop_yn": "N",
    }
    return quoted(output=block("search-stock-info", "output").pick(_product(listing), facts))


def mktfunds(venue: Venue, call: Call) -> Answer:
    """Return customers' money by day, newest first: fixed shares of the market's value."""
    end = call.text("FID_INPUT_DATE_1", "")
    worth = sum(today(venue, each).close * each.listed_shares for each in members(venue, "KOSPI"))
    output, rows = block("mktfunds", "output"), []
    for day in index_daily_facts(venue, "KOSPI"):
        if end and str(day["stck_bsop_date"]) > end:
            continue
        facts: dict[str, Value] = {
            "bsop_date": day["stck_bsop_date"],
            "hts_avls": worth,
            "cust_dpmn_amt": worth * 2 // 100,
            "amt_tnrt": 0.5,
            "uncl_amt": worth // 5_000,
            "crdt_loan_rmnd": worth // 200,
            "futs_tfam_amt": worth // 400,
        }
        rows.append(output.pick(day, facts))
    return quoted(output=rows[:_FUND_ROWS])


def market_time(venue: Venue, call: Call) -> Answer:
    """Return the session's times and the present one."""
    session = venue.market.session
    facts: dict[str, Value] = {
        **{f"date{number}": venue.day for number in range(1, 6)},
        "today": venue.day,
        "time": clock(venue.now()),
        "s_time": clock(session.open_at),
        "e_time": clock(session.close_at),
    }
    return quoted(output1=block("market-time", "output1").pick(facts))


def lendable_by_company(venue: Venue, call: Call) -> Answer:
    """Return what the broker could lend: nothing of any issue."""
    wanted = call.text("PDNO", "")
    output = block("lendable-by-company", "output1")
    rows = [
        output.row(
            pdno=listing.symbol,
            prdt_name=listing.name,
            papr=FACE_VALUE,
            bfdy_clpr=listing.base_price,
            tr_stop_dvsn_name="정상",
            psbl_yn_name="불가능",
            bass_dt=venue.day,
            psbl_yn="N",
        )
        for listing in venue.market.listings
        if wanted in ("", listing.symbol)
    ]
    answer = quoted(output1=rows[:100], output2=block("lendable-by-company", "output2").row())
    return Answer(
        body={"ctx_area_fk200": " " * 200, "ctx_area_nk100": " " * 100, **answer.body}, tr_cont="D"
    )


def estimate_perform(venue: Venue, call: Call) -> Answer:
    """Return a company's results by year as five columns, newest last."""
    listing = venue.listings.get(Symbol(call.text("SHT_CD")))
    if listing is None:
        raise refused("APBK0656")
    years = business_years(venue.day)[::-1]
    results = [year_facts(listing, year) for year in years]

    def columns(key: str, *names: str) -> list[dict[str, str]]:
        return [
            block("estimate-perform", key).row(
                **{f"data{number}": each[name] for number, each in enumerate(results, 1)}
            )
            for name in names
        ]

    capital = FACE_VALUE * listing.listed_shares / _HUNDRED_MILLION
    return quoted(
        output1=block("estimate-perform", "output1").row(
            sht_cd=listing.symbol, item_kor_nm=listing.name, estdate=venue.day, capital=capital
        ),
        output2=columns("output2", "sale_account", "grs", "bsop_prti", "thtr_ntin"),
        output3=columns("output3", "eps", "roe_val", "lblt_rate", "ev_ebitda"),
        output4=[block("estimate-perform", "output4").row(dt=f"{year}12") for year in years],
    )


def _product(listing: Listing) -> dict[str, Value]:
    english = english_name(listing)
    return {
        "pdno": f"00000A{listing.symbol}",
        "prdt_type_cd": _STOCK,
        "prdt_name": listing.name,
        "prdt_name120": listing.name,
        "prdt_abrv_name": listing.name,
        "prdt_eng_name": english,
        "prdt_eng_name120": english,
        "prdt_eng_abrv_name": english,
        "std_pdno": standard_code(listing.symbol),
        "shtn_pdno": listing.symbol,
    }


def _date(yyyymmdd: str) -> date:
    try:
        return datetime.strptime(yyyymmdd, "%Y%m%d").date()  # noqa: DTZ007 - a date of the calendar
    except ValueError:
        raise refused("OPSQ2002", "ERROR INVALID BASS_DT") from None
