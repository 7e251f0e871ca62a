"""Master file bytes in, typed records out. Pure.

Records are fixed-width in bytes: they are cut as bytes and decoded afterwards, field by field.
What always holds: a file is read whole or not at all; a record that is too short or a field that
cannot be read names file, line and byte offset. Records may grow at their end: KIS appends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final, TypeVar

from events import Symbol
from kis_gateway.day.instruments import (
    CapitalIncrease,
    ExEvent,
    IndexName,
    Instrument,
    Listing,
    MarketWarning,
    MemberFirm,
    Overheating,
    ParChange,
    Preference,
    SecurityGroup,
    ThemeMember,
    kind_of,
)
from kis_gateway.errors import MasterFieldUnreadable, MasterRecordShort
from kis_gateway.protocol import MasterField, master_form
from kis_gateway.protocol.masters import ENCODING

LISTINGS: Final = {
    "kospi_code": Listing.KOSPI,
    "kosdaq_code": Listing.KOSDAQ,
    "konex_code": Listing.KONEX,
}
"""Files of securities, and the market each of them lists."""

_INDEX_FLAGS: Final = {
    "sprn_strr_nmix_issu_yn": "governance",
    "kospi100_issu_yn": "KOSPI100",
    "kospi50_issu_yn": "KOSPI50",
    "krx_issu_yn": "KRX",
    "krx100_issu_yn": "KRX100",
    "krx300_issu_yn": "KRX300",
    "kospi_issu_yn": "KOSPI",
    "ksq150_nmix_yn": "KOSDAQ150",
    "sri_nmix_yn": "SRI",
    "krx_car_yn": "KRX autos",
    "krx_smcn_yn": "KRX semiconductors",
    "krx_bio_yn": "KRX bio",
    "krx_bank_yn": "KRX banks",
    "krx_enrg_chms_yn": "KRX energy and chemicals",
    "krx_stel_yn": "KRX steel",
    "krx_medi_cmnc_yn": "KRX media and telecom",
    "krx_cnst_yn": "KRX construction",
    "krx_fnnc_svc_yn": "KRX financial services",
    "krx_scrt_yn": "KRX securities",
    "krx_ship_yn": "KRX shipbuilding",
    "krx_insu_yn": "KRX insurance",
    "krx_trnp_yn": "KRX transport",
}
_SECTORS: Final = ("bstp_larg_div_code", "bstp_medm_div_code", "bstp_smal_div_code")
_THOUSAND: Final = 1_000
_HUNDRED_MILLION: Final = 100_000_000

Code = TypeVar("Code", bound=StrEnum)
Item = TypeVar("Item")


class _Record:
    """One line of a file."""

    def __init__(self, file: str, line: int, raw: bytes, fields: dict[str, MasterField]) -> None:
        self._file = file
        self._line = line
        self._raw = raw
        self._fields = fields

    def has(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        field = self._fields[name]
        cut = self._raw[field.offset : field.offset + field.width]
        try:
            return cut.decode(ENCODING).strip()
        except UnicodeDecodeError as error:
            raise MasterFieldUnreadable(
                self._file, self._line, field.offset + error.start, name, cut
            ) from None

    def required(self, name: str) -> str:
        text = self.text(name)
        if not text:
            raise self._unreadable(name)
        return text

    def number(self, name: str) -> int:
        """Return a whole number, 0 when the field is blank or the file has none of that name."""
        if name not in self._fields:
            return 0
        text = self.text(name)
        if not text:
            return 0
        try:
            return int(text)
        except ValueError:
            raise self._unreadable(name) from None

    def flag(self, name: str) -> bool:
        """Return whether a flag is set; false when the file has none of that name."""
        if name not in self._fields:
            return False
        text = self.text(name)
        if text not in ("", "Y", "N", "0", "1"):
            raise self._unreadable(name)
        return text in ("Y", "1")

    def code(self, name: str, codes: type[Code], otherwise: Code, absent: Code) -> Code:
        """Return a code's meaning, ``otherwise`` when it has none that is documented."""
        if name not in self._fields:
            return absent
        text = self.text(name)
        return next((code for code in codes if code.value == text), otherwise)

    def _unreadable(self, name: str) -> MasterFieldUnreadable:
        field = self._fields[name]
        cut = self._raw[field.offset : field.offset + field.width]
        return MasterFieldUnreadable(self._file, self._line, field.offset, name, cut)


def instruments(file: str, content: bytes) -> tuple[Instrument, ...]:
    """Return the securities of ``kospi_code``, ``kosdaq_code`` or ``konex_code``.

    Raises:
        MasterRecordShort: a line has fewer bytes than its record.
        MasterFieldUnreadable: bytes that are no cp949, a number that is none, an unknown flag.
    """
    return _items(file, content, lambda record: _instrument(LISTINGS[file], record))


def index_names(content: bytes) -> tuple[IndexName, ...]:
    """Return the indices and sectors of ``idxcode``. Raises as ``instruments`` does."""
    return _items(
        "idxcode",
        content,
        lambda record: IndexName(
            market=record.required("idx_div"),
            code=record.required("idx_code"),
            name=record.text("idx_name"),
        ),
    )


def theme_members(content: bytes) -> tuple[ThemeMember, ...]:
    """Return the themes of ``theme_code``. Raises as ``instruments`` does."""
    return _items(
        "theme_code",
        content,
        lambda record: ThemeMember(
            theme=record.required("theme_code"),
            name=record.text("theme_name"),
            symbol=Symbol(record.required("iscd")),
        ),
    )


def member_firms(content: bytes) -> tuple[MemberFirm, ...]:
    """Return the members of ``memcode``. Raises as ``instruments`` does."""
    return _items(
        "memcode",
        content,
        lambda record: MemberFirm(
            code=record.required("mbcr_no"),
            name=record.text("mbcr_name"),
            foreign=record.flag("glob_yn"),
        ),
    )


def _items(file: str, content: bytes, read: Callable[[_Record], Item]) -> tuple[Item, ...]:
    return tuple(read(record) for record in _records(file, content))


def _records(file: str, content: bytes) -> Iterator[_Record]:
    form = master_form(file)
    fields = {field.name: field for field in form.fields}
    for line, raw in enumerate(content.split(b"\n"), start=1):
        record = raw.removesuffix(b"\r")
        if not record:
            continue
        if len(record) < form.record_bytes:
            raise MasterRecordShort(file, line, len(record), form.record_bytes)
        yield _Record(file, line, record, fields)


def _instrument(listing: Listing, record: _Record) -> Instrument:
    group = record.code(
        "scrt_grp_cls_code", SecurityGroup, SecurityGroup.OTHER, SecurityGroup.OTHER
    )
    kospi200 = record.text("kospi200_apnt_cls_code") if listing is Listing.KOSPI else ""
    return Instrument(
        symbol=Symbol(record.required("mksc_shrn_iscd")),
        isin=record.text("stnd_iscd"),
        name=record.text("hts_kor_isnm"),
        listing=listing,
        group=group,
        kind=kind_of(group),
        size_class=_optional(record, "avls_scal_cls_code"),
        sectors=tuple(_optional(record, name) for name in _SECTORS),
        indices=frozenset(name for field, name in _INDEX_FLAGS.items() if record.flag(field)),
        kospi200_sector=kospi200 if kospi200 != "0" else "",
        base_price=record.number("stck_sdpr"),
        lot=record.number("frml_mrkt_deal_qty_unit"),
        after_hours_lot=record.number("ovtm_mrkt_deal_qty_unit"),
        halted=record.flag("trht_yn"),
        liquidation=record.flag("sltr_yn"),
        administrative=record.flag("mang_issu_yn"),
        warning=record.code(
            "mrkt_alrm_cls_code", MarketWarning, MarketWarning.OTHER, MarketWarning.NONE
        ),
        risk_notice=record.flag("mrkt_alrm_risk_adnt_yn"),
        insincere_disclosure=record.flag("insn_pbnt_yn"),
        backdoor_listing=record.flag("byps_lstn_yn"),
        low_liquidity=record.flag("low_current_yn"),
        spac=record.flag("etpr_undt_objt_co_yn"),
        investment_alert=record.flag("invt_alrm_yn"),
        overheating=record.code(
            "short_over_cls_code", Overheating, Overheating.OTHER, Overheating.NONE
        ),
        short_sale_overheated=record.flag("ssts_hot_yn"),
        abnormal_surge=record.flag("stange_runup_yn"),
        ex_event=record.code("flng_cls_code", ExEvent, ExEvent.OTHER, ExEvent.NONE),
        par_change=record.code("fcam_mod_cls_code", ParChange, ParChange.OTHER, ParChange.NONE),
        capital_increase=record.code(
            "icic_cls_code", CapitalIncrease, CapitalIncrease.OTHER, CapitalIncrease.NONE
        ),
        preference=record.code("prst_cls_code", Preference, Preference.OTHER, Preference.COMMON),
        venture=record.flag("vntr_issu_yn"),
        elw_underlying=record.flag("elw_pblc_yn"),
        margin_rate_percent=record.number("marg_rate"),
        marginable=record.flag("crdt_able"),
        previous_volume=record.number("prdy_vol"),
        par_value=record.number("stck_fcam"),
        listed_on=record.text("stck_lstn_date"),
        listed_shares=record.number("lstn_stcn") * _THOUSAND,
        market_value=record.number("prdy_avls_scal") * _HUNDRED_MILLION,
        credit_limit_exceeded=record.flag("co_crdt_limt_over_yn"),
        collateral_loan=record.flag("secu_lend_able_yn"),
        short_lending=record.flag("stln_able_yn"),
    )


def _optional(record: _Record, name: str) -> str:
    return record.text(name) if record.has(name) else ""
