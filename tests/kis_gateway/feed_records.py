"""Real-time records written from the protocol's columns, by name, for tests of who reads them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from hypothesis import strategies as st

from kis_gateway.protocol import Era, FeedForm, Field, Kind

Record = dict[str, str]
"""The fields of one record by column name, in order."""

KST = timezone(timedelta(hours=9))
ACCOUNT = "1234567801"

_CODES = {
    "MKSC_SHRN_ISCD": st.sampled_from(["005930", "0001A0", "Q500001"]),
    "STCK_SHRN_ISCD": st.sampled_from(["005930", "0001A0", "Q500001"]),
    "BSTP_CLS_CODE": st.sampled_from(["0001", "1001", "2001", "0013"]),
    "CCLD_DVSN": st.sampled_from(["1", "5", "3"]),
    "CNTG_CLS_CODE": st.sampled_from(["1", "5", "3"]),
    "HOUR_CLS_CODE": st.sampled_from(["0", "A", "B", "C", "D"]),
    "NEW_MKOP_CLS_CODE": st.sampled_from(["20", "21", "10", "30"]),
    "VI_CLS_CODE": st.sampled_from(["Y", "N"]),
    "OVTM_VI_CLS_CODE": st.sampled_from(["Y", "N"]),
    "TR_SUSP_REAS_CNTT": st.sampled_from(["(null)", "풍문 또는 보도"]),
    "ACNT_NO": st.just(ACCOUNT),
    "ODER_NO": st.integers(1, 10**10 - 1).map("{:010d}".format),
    "OODER_NO": st.integers(0, 10**10 - 1).map("{:010d}".format),
    "SELN_BYOV_CLS": st.sampled_from(["01", "02"]),
    "RCTF_CLS": st.sampled_from(["0", "1", "2"]),
    "RFUS_YN": st.sampled_from(["0", "1"]),
    "CNTG_YN": st.sampled_from(["1", "2"]),
    "ACPT_YN": st.sampled_from(["1", "2", "3"]),
}
_SIGNED = frozenset(
    {"NTBY_CNQN", "NTBY_TR_PBMN", "WHOL_NTBY_TR_PBMN", "PRDY_VRSS", "NAV_PRDY_VRSS"}
)
_KINDS: dict[Kind, st.SearchStrategy[str]] = {
    Kind.INT: st.integers(1, 10**9).map(str),
    Kind.DECIMAL: st.builds("{}.{:02d}".format, st.integers(0, 10**6), st.integers(0, 99)),
    Kind.TIME: st.builds(
        "{:02d}{:02d}{:02d}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)
    ),
    Kind.DATE: st.dates(date(2020, 1, 1), date(2030, 12, 31)).map("{:%Y%m%d}".format),
    Kind.FLAG: st.sampled_from(["Y", "N"]),
    Kind.CODE: st.sampled_from(["", "0", "1", "2", "3", "4", "5", "112"]),
    Kind.TEXT: st.sampled_from(["", "삼성전자", "(null)"]),
}


def records(form: FeedForm, era: Era) -> st.SearchStrategy[Record]:
    """Return records of an era; values are of the column's kind and fit each other."""
    columns = form.columns_in(era)
    drawn = st.tuples(*map(_values, columns))
    return drawn.map(lambda values: _consistent(_named(columns, values)))


def at(day: str, clock: str) -> int:
    """Return ns UTC of KST YYYYMMDD and HHMMSS."""
    moment = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=KST)
    return int(moment.timestamp()) * 1_000_000_000


def _values(field: Field) -> st.SearchStrategy[str]:
    if field.name in _SIGNED and field.kind is Kind.INT:
        return st.integers(-(10**9), 10**9).map(str)
    return _CODES[field.name] if field.name in _CODES else _KINDS[field.kind]


def _named(columns: tuple[Field, ...], values: tuple[str, ...]) -> Record:
    names = [field.name for field in columns]
    assert len(set(names)) == len(names), "columns of one record are told apart by name"
    return dict(zip(names, values, strict=True))


def _consistent(record: Record) -> Record:
    if "CNTG_VOL" in record:  # a trade is part of the day's volume, never the first one
        record["ACML_VOL"] = str(int(record["CNTG_VOL"]) + int(record["ACML_VOL"]))
    return record
