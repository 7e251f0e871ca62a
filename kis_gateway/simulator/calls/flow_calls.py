"""Who trades an issue or a market: investors, member firms, programs, credit, short sales, lending.

Program trading of a market and the firms and programs of an issue today are those the real-time
feeds tell; everything else is made up from the bars (see ``synthetic_flows``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from events.calendar import next_session
from events.market import Bar
from kis_gateway.simulator.calls.answers import Answer, quoted, refused
from kis_gateway.simulator.calls.fields import Row, Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.day_facts import daily_facts, day_of, days
from kis_gateway.simulator.facts.index_facts import index_bars, index_daily_facts, level_facts
from kis_gateway.simulator.facts.issue_facts import (
    MARKETS,
    asked_listing,
    change_facts,
    name_facts,
    price_facts,
    today,
)
from kis_gateway.simulator.facts.synthetic_flows import (
    investor_facts,
    investor_sides,
    program_facts,
)
from kis_gateway.simulator.feeds.flow_records import FIRMS, Ranked, program_totals, ranking
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import calendar_day, clock, percent

_PROGRAM_ROWS: Final = 30
_DAYS: Final = 30
_LONG: Final = 100
_MINUTE: Final = 60_000_000_000
_ESTIMATES: Final = (("1", 930), ("2", 1120), ("3", 1320), ("4", 1430), ("5", 1500))
"""When the provisional figures of investors come (class code, HHMM)."""
_INVESTORS: Final = (
    ("01", "개인", 400),
    ("02", "외국인", 350),
    ("03", "기관계", 200),
    ("04", "기타", 50),
)


def daily_flow(name: str, rows: int = _DAYS) -> _DailyFlow:
    """Return the answer of a call that lists an issue's days, newest first."""
    return _DailyFlow(name, rows)


class _DailyFlow:
    """One of the calls whose list is an issue's days and whose object, if any, is its price."""

    def __init__(self, name: str, rows: int) -> None:
        self._name = name
        self._rows = rows

    def __call__(self, venue: Venue, call: Call) -> Answer:
        asked = "MKSC_SHRN_ISCD" if self._name == "daily-loan-trans" else "FID_INPUT_ISCD"
        listing = asked_listing(venue, call, asked)
        start, end = self._dates(call)
        found = daily_facts(venue, listing, start=start, end=end, rows=self._rows)
        if self._name == "daily-credit-balance":
            _add_settlement(venue, listing, found)
        price = price_facts(venue, listing)
        blocks: dict[str, object] = {}
        for key in ("output", "output1", "output2"):
            try:
                form = block(self._name, key)
            except KeyError:
                continue
            blocks[key] = [form.pick(day) for day in found] if form.is_list else form.pick(price)
        return quoted(**blocks)

    def _dates(self, call: Call) -> tuple[str, str]:
        if self._name == "daily-loan-trans":
            return call.text("START_DATE", ""), call.text("END_DATE", "")
        # Some calls write their date with two zeros before it (00YYYYMMDD).
        first = call.text("FID_INPUT_DATE_1", "")[-8:]
        second = call.text("FID_INPUT_DATE_2", "")
        # With one date a call goes back from it, with two it stays between them.
        return (first, second) if second else ("", first)


def investor_trend_estimate(venue: Venue, call: Call) -> Answer:
    """Return the provisional net buying of foreigners and institutions so far today."""
    listing = asked_listing(venue, call, "MKSC_SHRN_ISCD")
    sides = investor_sides(listing.symbol, today(venue, listing))
    foreign, institutions = (sides[name][1] - sides[name][0] for name in ("frgn", "orgn"))
    now = int(clock(venue.now())[:4])
    output = block("investor-trend-estimate", "output2")
    rows = [
        output.row(
            bsop_hour_gb=code,
            frgn_fake_ntby_qty=foreign,
            orgn_fake_ntby_qty=institutions,
            sum_fake_ntby_qty=foreign + institutions,
        )
        for code, due in reversed(_ESTIMATES)
        if due <= now
    ]
    return quoted(output2=rows)


def inquire_member(venue: Venue, call: Call) -> Answer:
    """Return the five firms that sell and buy most."""
    listing = asked_listing(venue, call)
    tape = venue.tapes[listing.symbol]
    facts: dict[str, Value] = {}
    for side, selling, volume in (
        ("seln", True, tape.volume_sold),
        ("shnu", False, tape.volume_bought),
    ):
        ranked = ranking(tape, selling=selling)
        for rank, each in enumerate(ranked, 1):
            facts |= {
                f"{side}_mbcr_no{rank}": each.firm.code,
                f"{side}_mbcr_name{rank}": each.firm.name,
                f"total_{side}_qty{rank}": each.quantity,
                f"{side}_mbcr_rlim{rank}": percent(each.quantity, volume),
                f"{side}_mbcr_glob_yn_{rank}": "Y" if each.firm.foreign else "N",
            }
        facts[f"glob_total_{side}_qty"] = _foreign(ranked)
        facts[f"glob_{side}_rlim"] = percent(_foreign(ranked), volume)
    facts["glob_ntby_qty"] = _foreign(ranking(tape, selling=False)) - _foreign(
        ranking(tape, selling=True)
    )
    return quoted(output=block("inquire-member", "output").pick(facts))


def program_trade_by_stock(venue: Venue, call: Call) -> Answer:
    """Return an issue's program trading so far, minute by minute, newest first.

    Today's total is spread over the minutes by their volume.
    """
    listing = asked_listing(venue, call)
    totals = program_totals(venue.tapes[listing.symbol])
    bars = venue.exchange.minute_bars(listing.symbol)
    whole, volume, before = sum(bar.volume for bar in bars), 0, (0, 0)
    output, rows = block("program-trade-by-stock", "output"), []
    for bar in bars:
        volume += bar.volume
        sold, bought = totals.sold * volume // whole, totals.bought * volume // whole
        sold_value = totals.sold_value * volume // whole
        bought_value = totals.bought_value * volume // whole
        facts: dict[str, Value] = {
            "bsop_hour": clock(bar.start + _MINUTE - 1),
            "stck_prpr": bar.close,
            "acml_vol": volume,
            "whol_smtn_seln_vol": sold,
            "whol_smtn_shnu_vol": bought,
            "whol_smtn_ntby_qty": bought - sold,
            "whol_smtn_seln_tr_pbmn": sold_value,
            "whol_smtn_shnu_tr_pbmn": bought_value,
            "whol_smtn_ntby_tr_pbmn": bought_value - sold_value,
            "whol_ntby_vol_icdc": bought - sold - before[0],
            "whol_ntby_tr_pbmn_icdc": bought_value - sold_value - before[1],
        }
        before = bought - sold, bought_value - sold_value
        rows.append(output.pick(change_facts(bar.close, listing), facts))
    return quoted(output=rows[::-1][:_PROGRAM_ROWS])


def comp_program_trade_today(venue: Venue, call: Call) -> Answer:
    """Return a market's program trading so far, newest first, at most 30 rows, million won."""
    market = _market(call.text("FID_MRKT_CLS_CODE"))
    level, output = level_facts(venue, market), block("comp-program-trade-today", "output")
    rows = []
    for flow in venue.indices.flows(market)[-_PROGRAM_ROWS:][::-1]:
        facts: dict[str, Value] = {
            "bsop_hour": clock(flow.at),
            "nabt_smtn_ntby_tr_pbmn": flow.cumulative_net_value,
            "whol_smtn_ntby_tr_pbmn": flow.cumulative_net_value,
        }
        rows.append(output.pick(level, facts))
    return quoted(output=rows)


def comp_program_trade_daily(venue: Venue, call: Call) -> Answer:
    """Return a market's program trading by day, newest first: all of it non-arbitrage, on behalf.

    It is made up from the market's turnover.
    """
    market = _market(call.text("FID_MRKT_CLS_CODE"))
    output, rows = block("comp-program-trade-daily", "output"), []
    for bar in _newest_days(venue, market):
        facts: dict[str, Value] = {"stck_bsop_date": calendar_day(bar.start)}
        for name, value in program_facts(market, bar, _mean(bar)).items():
            for part in (name, name.replace("whol_", "nabt_"), name.replace("smtn", "entm")):
                facts[part] = value
        rows.append(output.pick(facts))
    return quoted(output=rows)


def investor_program_trade_today(venue: Venue, call: Call) -> Answer:
    """Return program trading by kind of investor: fixed shares of the market's issues."""
    market = {"1": "KOSPI", "4": "KOSDAQ"}.get(call.text("MRKT_DIV_CLS_CODE"))
    if market is None:
        raise refused("OPSQ2001", "ERROR INVALID MRKT_DIV_CLS_CODE")
    totals = [
        program_totals(venue.tapes[each.symbol])
        for each in venue.market.listings
        if MARKETS[each.board] == market
    ]
    output, rows = block("investor-program-trade-today", "output1"), []
    for code, name, permille in _INVESTORS:
        sold, bought, sold_value, bought_value = (
            sum(each[index] for each in totals) * permille // 1_000 for index in (0, 2, 1, 3)
        )
        facts: dict[str, Value] = {"invr_cls_code": code, "invr_cls_name": name}
        for kind in ("all", "nabt"):
            facts |= {
                f"{kind}_seln_qty": sold,
                f"{kind}_shnu_qty": bought,
                f"{kind}_ntby_qty": bought - sold,
                f"{kind}_seln_amt": sold_value,
                f"{kind}_shnu_amt": bought_value,
                f"{kind}_ntby_amt": bought_value - sold_value,
            }
        rows.append(output.pick(facts))
    return quoted(output1=rows)


def investor_daily_by_market(venue: Venue, call: Call) -> Answer:
    """Return a market's investors by day, newest first, with the index of the day."""
    market = "KOSDAQ" if call.text("FID_INPUT_ISCD").startswith("1") else "KOSPI"
    end = call.text("FID_INPUT_DATE_1", "")
    levels = {str(day["stck_bsop_date"]): day for day in index_daily_facts(venue, market)}
    output = block("inquire-investor-daily-by-market", "output")
    rows: list[Row] = []
    for bar in _newest_days(venue, market):
        day = calendar_day(bar.start)
        if not end or day <= end:
            flows = investor_facts(investor_sides(market, bar), _mean(bar))
            rows.append(output.pick(flows, levels[day]))
    return quoted(output=rows)


def investor_time_by_market(venue: Venue, call: Call) -> Answer:
    """Return a market's investors so far today."""
    market = "KOSDAQ" if "KSQ" in call.text("FID_INPUT_ISCD_2", "") else "KOSPI"
    bar = index_bars(venue, market)[-1]
    facts = investor_facts(investor_sides(market, bar), _mean(bar))
    return quoted(output=[block("inquire-investor-time-by-market", "output").pick(facts)])


def firm_trades(name: str) -> _FirmTrades:
    """Return the answer of a call about foreign firms in an issue, minute by minute."""
    return _FirmTrades(name)


class _FirmTrades:
    """``frgnmem-trade-trend`` and ``frgnmem-pchs-trend``: shares of each minute's volume."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, venue: Venue, call: Call) -> Answer:
        listing = asked_listing(venue, call)
        rows, total = [], [0, 0, 0]
        for bar in venue.exchange.minute_bars(listing.symbol):
            sold, bought = investor_sides(listing.symbol, bar)["frgn"]
            total = [total[0] + bar.volume, total[1] + sold, total[2] + bought]
            facts: dict[str, Value] = {
                "bsop_hour": clock(bar.start + _MINUTE - 1),
                "mbcr_name": FIRMS[-1].name,
                "stck_prpr": bar.close,
                "cntg_vol": bar.volume,
                "acml_vol": total[0],
                "frgn_seln_vol": total[1],
                "frgn_shnu_vol": total[2],
                "acml_ntby_qty": total[2] - total[1],
                "glob_ntby_qty": total[2] - total[1],
                "frgn_ntby_qty_icdc": bought - sold,
            }
            rows.append({**name_facts(listing), **change_facts(bar.close, listing), **facts})
        rows = rows[::-1][:_PROGRAM_ROWS]
        if self._name == "frgnmem-pchs-trend":
            return quoted(output=[block(self._name, "output").pick(row) for row in rows])
        head = block(self._name, "output1").row(total_seln_qty=total[1], total_shnu_qty=total[2])
        return quoted(
            output1=[head], output2=[block(self._name, "output2").pick(row) for row in rows]
        )


def _foreign(ranked: Iterable[Ranked]) -> int:
    return sum(each.quantity for each in ranked if each.firm.foreign)


def _market(code: str) -> str:
    market = {"K": "KOSPI", "Q": "KOSDAQ"}.get(code.upper())
    if market is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_MRKT_CLS_CODE")
    return market


def _newest_days(venue: Venue, market: str) -> list[Bar]:
    """Return a market's days with its turnover, newest first."""
    return index_bars(venue, market)[::-1][:_DAYS]


def _mean(bar: Bar) -> int:
    return bar.value // bar.volume if bar.volume else 0


def _add_settlement(venue: Venue, listing: Listing, found: list[dict[str, Value]]) -> None:
    """Add the second session after each day."""
    dates = [f"{day_of(bar):%Y%m%d}" for bar in days(venue, listing)]
    coming = [f"{next_session(venue.market.day, count):%Y%m%d}" for count in (1, 2)]
    sessions = [*(each for each in dates if each < venue.day), venue.day, *coming]
    settled = dict(zip(sessions, sessions[2:], strict=False))
    for day in found:
        day["stlm_date"] = settled.get(str(day["stck_bsop_date"]), "")
