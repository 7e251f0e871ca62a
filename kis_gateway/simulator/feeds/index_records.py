"""Index records: levels (H0UPCNT0), expected levels (H0UPANC0), program trading (H0UPPGM0).

Levels come in hundredths of a point; volumes are told in thousand shares and values in million won,
cut towards zero. All program trading of the simulated market is non-arbitrage and entrusted, as
comp-program-trade-today tells it; of a net purchase the bought side is shown, of a net sale the
sold side.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from kis_gateway.protocol import feed_form
from kis_gateway.protocol.calls import Kind
from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.indices import INDEX_NAMES, IndexDay
from kis_gateway.simulator.market import ProgramPrint
from kis_gateway.simulator.wire_formats import percent, sign_of

INDEX_CODES: Final = {name: code for code, name in INDEX_NAMES.items()}
"""KIS index codes by the market's own names."""

_THOUSAND: Final = 1_000
_MILLION: Final = 1_000_000
_PROGRAM_FORM: Final = feed_form("H0UPPGM0")


class Turnover(NamedTuple):
    """What an index's issues traded so far, and how many of them stand where."""

    volume: int = 0
    value: int = 0
    limit_up: int = 0
    up: int = 0
    flat: int = 0
    down: int = 0
    limit_down: int = 0


def turnover_of(tapes: Iterable[IssueRecords]) -> Turnover:
    """Return the sums over the issues of an index."""
    volume = value = limit_up = up = flat = down = limit_down = 0
    for tape in tapes:
        last, listing = tape.last, tape.listing
        if last is None:
            continue
        volume += last.cumulative_volume
        value += last.cumulative_value
        if last.price >= listing.upper_limit:
            limit_up += 1
        elif last.price <= listing.lower_limit:
            limit_down += 1
        elif last.price > listing.base_price:
            up += 1
        elif last.price < listing.base_price:
            down += 1
        else:
            flat += 1
    return Turnover(volume, value, limit_up, up, flat, down, limit_down)


class LevelRecords:
    """The records of one index; each tells what traded since the one before."""

    def __init__(self, name: str) -> None:
        self._code = INDEX_CODES[name]
        self._before = Turnover()
        self._level_before = 0

    def record(self, stamp: str, day: IndexDay, level: int, turnover: Turnover) -> str:
        """Return the record of a level (hundredths of a point) at a time of the service's clock."""
        change, tick = level - day.previous_close, level - (self._level_before or level)
        before, self._before, self._level_before = self._before, turnover, level
        extremes = (day.open, day.high, day.low)
        columns = (
            self._code,
            stamp,
            _points(level),
            sign_of(change),
            _points(change),
            str(turnover.volume // _THOUSAND),
            str(turnover.value // _MILLION),
            str((turnover.volume - before.volume) // _THOUSAND),
            str((turnover.value - before.value) // _MILLION),
            f"{percent(change, day.previous_close):.2f}",
            *map(_points, extremes),
            *(
                text
                for extreme in extremes
                for text in (_points(level - extreme), sign_of(level - extreme))
            ),
            *(
                f"{percent(extreme - day.previous_close, day.previous_close):.2f}"
                for extreme in extremes
            ),
            str(turnover.limit_up),
            str(turnover.up),
            str(turnover.flat),
            str(turnover.down),
            str(turnover.limit_down),
            str(turnover.limit_up + turnover.up),
            str(turnover.down + turnover.limit_down),
            _points(tick),
        )
        return "^".join(columns)


def program_index_record(stamp: str, flow: ProgramPrint, turnover: Turnover) -> str:
    """Return the record of a market's program trading so far."""
    net = int(flow.cumulative_net_value / _MILLION)
    bought, sold = max(net, 0), max(-net, 0)
    average = turnover.value // turnover.volume if turnover.volume else 0
    shares = abs(flow.cumulative_net_value) // average // _THOUSAND if average else 0
    bought_shares, sold_shares = (shares, 0) if net >= 0 else (0, shares)
    total = turnover.value // _MILLION
    values = {
        "BSTP_CLS_CODE": INDEX_CODES[flow.market],
        "BSOP_HOUR": stamp,
        "ACML_VOL": str(turnover.volume // _THOUSAND),
        "ACML_TR_PBMN": str(total),
    }
    for names, shares_of, value in (
        (_SOLD, sold_shares, sold),
        (_BOUGHT, bought_shares, bought),
        (_NET, bought_shares - sold_shares, net),
    ):
        shares_names, share_rates, value_names, value_rates = names
        values |= dict.fromkeys(shares_names, str(shares_of))
        values |= dict.fromkeys(value_names, str(value))
        values |= dict.fromkeys(share_rates, "0.00")
        values |= dict.fromkeys(value_rates, f"{percent(value, total):.2f}")
    return "^".join(values.get(name, empty) for name, empty in _EMPTY.items())


def _points(centipoints: int) -> str:
    return f"{centipoints / 100:.2f}"


_EMPTY: Final = {
    field.name: "0.00" if field.kind is Kind.DECIMAL else "0" for field in _PROGRAM_FORM.columns
}

# Columns of the sold side, the bought side and the net: shares, their rates, values, their rates.
_SOLD: Final = (
    ("NABT_SELN_ENTM_CNQN", "NABT_SMTN_SELN_VOL", "WHOL_ENTM_SELN_VOL", "TOTAL_SELN_QTY"),
    ("NABT_SMTM_SELN_VOL_RATE", "ENTM_SELN_VOL_RATE", "WHOL_SELN_VOL_RATE"),
    (
        "NABT_SELN_ENTM_CNTG_AMT",
        "NABT_SMTN_SELN_TR_PBMN",
        "WHOL_ENTM_SELN_TR_PBMN",
        "TOTAL_SELN_TR_PBMN",
    ),
    ("NABT_SMTM_SELN_TR_PBMN_RATE", "ENTM_SELN_TR_PBMN_RATE", "WHOL_SELN_TR_PBMN_RATE"),
)
_BOUGHT: Final = (
    ("NABT_SHNU_ENTM_CNQN", "NABT_SMTN_SHNU_VOL", "WHOL_ENTM_SHNU_VOL", "SHNU_CNTG_SMTN"),
    ("NABT_SMTM_SHNU_VOL_RATE", "ENTM_SHNU_VOL_RATE", "WHOL_SHUN_VOL_RATE"),
    (
        "NABT_SHNU_ENTM_CNTG_AMT",
        "NABT_SMTN_SHNU_TR_PBMN",
        "WHOL_ENTM_SHNU_TR_PBMN",
        "TOTAL_SHNU_TR_PBMN",
    ),
    ("NABT_SMTM_SHNU_TR_PBMN_RATE", "ENTM_SHNU_TR_PBMN_RATE", "WHOL_SHUN_TR_PBMN_RATE"),
)
_NET: Final = (
    ("NABT_ENTM_NTBY_QTY", "NABT_SMTN_NTBY_QTY", "WHOL_ENTM_NTBY_QT", "WHOL_NTBY_QTY"),
    ("NABT_SMTM_NTBY_QTY_RATE", "ENTM_NTBY_QTY_RAT", "WHOL_SMTM_NTBY_QTY_RATE"),
    (
        "NABT_ENTM_NTBY_TR_PBMN",
        "NABT_SMTN_NTBY_TR_PBMN",
        "WHOL_ENTM_NTBY_TR_PBMN",
        "WHOL_NTBY_TR_PBMN",
    ),
    ("NABT_SMTM_NTBY_TR_PBMN_RATE", "ENTM_NTBY_TR_PBMN_RATE", "WHOL_NTBY_TR_PBMN_RATE"),
)
