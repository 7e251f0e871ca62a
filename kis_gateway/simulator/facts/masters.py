"""The daily master files, built from a market's listings: fixed-width records, cp949, zipped.

Records are exactly as wide as documented, fields are bytes and not characters. What the simulated
market does not know is blank, "N" or zero. Source: KIS Open API documentation (``stocks_info``).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from events.prices import Board
from kis_gateway.protocol import MasterForm, master_form
from kis_gateway.protocol.masters import ENCODING
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.fundamentals import (
    FACE_VALUE,
    FISCAL_MONTH,
    business_years,
    year_facts,
)
from kis_gateway.simulator.facts.index_facts import INDEX_TITLES
from kis_gateway.simulator.feeds.flow_records import FIRMS
from kis_gateway.simulator.venue import Venue

MASTER_PATH: Final = "/common/master/"
_SUFFIX: Final = ".mst.zip"
_LISTED_ON: Final = "20000104"
_HUNDRED_MILLION: Final = 100_000_000
_LINE_END: Final = b"\r\n"

Record = Mapping[str, str | int]


def master_file(venue: Venue, path: str) -> bytes | None:
    """Return a zipped master file by its path, ``None`` when there is no such file."""
    name = path.removeprefix(MASTER_PATH).removesuffix(_SUFFIX)
    records = _FILES.get(name)
    if records is None or not path.endswith(_SUFFIX):
        return None
    form = master_form(name)
    text = b"".join(_record(form, each) + _LINE_END for each in records(venue))
    return _zipped(f"{name}.mst", text)


def standard_code(symbol: str) -> str:
    """Return the ISIN of a short code: KR7, the code, 00 and the check digit (ISO 6166)."""
    stem = f"KR7{symbol:0>6}00"[:11]
    digits = "".join(str(int(letter, 36)) for letter in stem)
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return f"{stem}{-total % 10}"


def english_name(listing: Listing) -> str:
    """Return a name in Latin letters; Korean names have none here but the code."""
    return listing.name if listing.name.isascii() else f"KR {listing.symbol}"


def _stocks(venue: Venue, *boards: Board) -> Iterable[Record]:
    for listing in sorted(venue.market.listings, key=lambda each: each.symbol):
        if listing.board in boards:
            yield _stock(venue, listing)


def _stock(venue: Venue, listing: Listing) -> Record:
    history = venue.market.daily_history(listing.symbol)
    fund = listing.board is Board.FUND
    year = business_years(venue.day)[0]
    results = year_facts(listing, year)
    return {
        "mksc_shrn_iscd": listing.symbol,
        "stnd_iscd": standard_code(listing.symbol),
        "hts_kor_isnm": listing.name,
        "scrt_grp_cls_code": "EF" if fund else "ST",
        "avls_scal_cls_code": "0" if fund else "1" if listing.large else "2",
        "bstp_larg_div_code": "0000",
        "bstp_medm_div_code": "0000",
        "bstp_smal_div_code": "0000",
        "kospi200_apnt_cls_code": "1" if listing.large else "0",
        "etp_prod_cls_code": "1" if fund else " ",
        "short_over_cls_code": "0",
        "stck_sdpr": listing.base_price,
        "frml_mrkt_deal_qty_unit": 1,
        "ovtm_mrkt_deal_qty_unit": 1,
        "mrkt_alrm_cls_code": "00",
        "flng_cls_code": "00",
        "fcam_mod_cls_code": "00",
        "icic_cls_code": "00",
        "marg_rate": 40,
        "crdt_able": "Y",
        "crdt_days": 90,
        "prdy_vol": history[-1].volume if history else 0,
        "stck_fcam": FACE_VALUE,
        "stck_lstn_date": _LISTED_ON,
        "lstn_stcn": listing.listed_shares // 1_000,
        "cpfn": FACE_VALUE * listing.listed_shares,
        "stac_month": FISCAL_MONTH,
        "po_prc": 0,
        "prst_cls_code": "0",
        "kospi_issu_yn": "N" if fund else "Y",
        "sale_account": int(float(results["sale_account"])),
        "bsop_prfi": int(float(results["bsop_prti"])),
        "op_prfi": int(float(results["op_prfi"])),
        "thtr_ntin": min(99_999, int(float(results["thtr_ntin"]))),
        "roe": f"{float(results['roe_val']):09.2f}",
        "base_date": f"{year}12",
        "prdy_avls_scal": listing.base_price * listing.listed_shares // _HUNDRED_MILLION,
        "grp_code": "000",
        "secu_lend_able_yn": "Y",
        "stln_able_yn": "N",
    }


def _indices(_: Venue) -> Iterable[Record]:
    for code, title in INDEX_TITLES.items():
        yield {"idx_div": code[0], "idx_code": code, "idx_name": title}


def _themes(venue: Venue) -> Iterable[Record]:
    """Yield the sectors as themes: the market knows no others."""
    sectors = sorted(set(venue.market.sectors.values()))
    for symbol, sector in sorted(venue.market.sectors.items()):
        yield {
            "theme_code": f"{sectors.index(sector) + 1:03d}",
            "theme_name": sector,
            "iscd": symbol,
        }


def _members(_: Venue) -> Iterable[Record]:
    for firm in sorted(FIRMS, key=lambda each: each.code):
        yield {
            "mbcr_no": firm.code,
            "mbcr_name": firm.name,
            "glob_yn": "1" if firm.foreign else "0",
        }


_FILES: Final[Mapping[str, Callable[[Venue], Iterable[Record]]]] = {
    "kospi_code": lambda venue: _stocks(venue, Board.KOSPI, Board.FUND),
    "kosdaq_code": lambda venue: _stocks(venue, Board.KOSDAQ),
    # No market has KONEX issues; the file exists and is empty.
    "konex_code": lambda _: (),
    "idxcode": _indices,
    "theme_code": _themes,
    "memcode": _members,
}


def _record(form: MasterForm, values: Record) -> bytes:
    record = bytearray(b" " * form.record_bytes)
    for field in form.fields:
        value = values.get(field.name, "N" if field.name.endswith("_yn") else "")
        if isinstance(value, int):
            cell = f"{value:0{field.width}d}".encode()[-field.width :]
        else:
            cell = _cut(value, field.width).ljust(field.width)
        record[field.offset : field.offset + field.width] = cell
    return bytes(record)


@lru_cache(maxsize=8_192)
def _cut(text: str, width: int) -> bytes:
    """Return text in cp949 cut to whole characters; letters that it lacks become "?"."""
    encoded = text.encode(ENCODING, errors="replace")
    while len(encoded) > width:
        text = text[:-1]
        encoded = text.encode(ENCODING, errors="replace")
    return encoded


def _zipped(name: str, text: bytes) -> bytes:
    target = io.BytesIO()
    # A fixed date: the same market gives the same bytes.
    entry = zipfile.ZipInfo(name, datetime(2000, 1, 4, tzinfo=UTC).timetuple()[:6])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, text)
    return target.getvalue()
