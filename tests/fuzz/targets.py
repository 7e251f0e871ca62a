"""The parsers of the KIS edge as functions of bytes that must return, whatever the bytes are.

Each target swallows exactly the errors its parser documents; anything else escapes and is a
finding. ``samples`` are bytes that parse: fuzzers start from them.
"""

from __future__ import annotations

import contextlib
import io
import pkgutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from importlib import import_module
from typing import Final, NamedTuple

import msgspec

from bus import RawBlockUnreadable, RawFrame, decode_block, encode_block
from events import codec
from kis_gateway import api
from kis_gateway.api.caller import Inquiry
from kis_gateway.api.reading import Reader, Record
from kis_gateway.broker import MarketRecord
from kis_gateway.client import auth, broker_rows, charts
from kis_gateway.client.answer import UNREADABLE, Fields, rows, single
from kis_gateway.client.crypto import NoticeCipher
from kis_gateway.client.rest import Envelope, judge
from kis_gateway.day import master_records, masters
from kis_gateway.errors import DecryptionFailed, FrameError, InquiryFailed, MasterFileError
from kis_gateway.feeds import feed_control
from kis_gateway.frames import KNOWN_WIDTHS, FrameDecoder
from kis_gateway.protocol import Era, Field, Kind, feed_form, master_form
from tests.kis_gateway.feed_records import ACCOUNT, at

RECEIVED: Final = at("20260915", "100001")
DAY: Final = date(2026, 9, 15)
_MASTER_FILES: Final = (*master_records.LISTINGS, "idxcode", "theme_code", "memcode")
_SEPARATOR: Final = "\x1f"


class Target(NamedTuple):
    """One parser. ``run`` raises only when there is a finding."""

    name: str
    run: Callable[[bytes], None]
    samples: tuple[bytes, ...]


def targets() -> Iterator[Target]:
    """Yield every target."""
    for tr_id in sorted(KNOWN_WIDTHS):
        yield Target(f"records of {tr_id}", _records(tr_id), _sample_records(tr_id))
    yield Target("frames", _frame, (b"0|H0STCNT0|001|005930", b"1|H0STCNI0|001|c2VjcmV0"))
    yield Target("feed control", _feed_control, _CONTROL)
    yield Target("order answers", _order_answer, _ANSWERS)
    yield Target("inquiry answers", _inquiry_answer, _ANSWERS)
    yield Target("order rows", _order_row, _samples_of(_ORDER_ROW))
    yield Target("holdings", _holding, _samples_of(_HOLDING))
    yield Target("token answers", _token, _TOKENS)
    for reader in api_readers():
        name = f"{reader.source.call} {reader.block} {reader.record.__name__}"
        yield Target(name, _api_record(reader), _samples_of(_api_sample(reader)))
    for file in _MASTER_FILES:
        yield Target(f"master file {file}", _master(file), _sample_master(file))
    yield Target("master archives", _archive, (_sample_archive(),))
    yield Target("notices", _cipher_text, (b"c2VjcmV0", b"A" * 44))
    yield Target("raw blocks", _raw_block, (encode_block([RawFrame(1, "ws", b"0|H0STCNT0")]),))


def api_readers() -> Sequence[Reader[Record]]:
    """Return the readers of every inquiry of the API, found in its modules."""
    found: dict[tuple[str, str, str], Reader[Record]] = {}
    for module in pkgutil.iter_modules(api.__path__, f"{api.__name__}."):
        for value in vars(import_module(module.name)).values():
            for reader in value.readers if isinstance(value, Inquiry) else ():
                found[reader.source.call, reader.block, reader.record.__name__] = reader
    return [found[key] for key in sorted(found)]


# -- frames --------------------------------------------------------------------------------------


def _records(tr_id: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        # The first byte says how many records there are said to be.
        count, payload = (data[0] % 4 + 1, data[1:]) if data else (1, b"")
        _decode(f"0|{tr_id}|{count:03d}|{payload.decode('utf-8', 'replace')}")

    return run


def _frame(data: bytes) -> None:
    _decode(data.decode("utf-8", "replace"))


def _decode(text: str) -> None:
    decoder = FrameDecoder(ACCOUNT)
    try:
        messages = decoder.decode(text, RECEIVED, _no_key)
    except FrameError as error:
        assert isinstance(error.frame, str)  # noqa: PT017 - what escapes is the finding
        return
    # What is decoded can be put on the log, and is the same when it comes again.
    for message in messages:
        if isinstance(message, MarketRecord):
            assert codec.decode(codec.encode(message)) == message
    again = decoder.decode(text, RECEIVED, _no_key)
    assert again == messages[len(messages) - len(again) :]
    decoder.opened(text, _no_key)


def _no_key(_tr_id: str, payload: str) -> str:
    raise DecryptionFailed("no key", payload)


def _sample_records(tr_id: str) -> tuple[bytes, ...]:
    form = feed_form(tr_id)
    rows_of = (
        "^".join(map(_sample_value, form.columns_in(era))) for era in Era if era in form.widths
    )
    return tuple(b"\x00" + row.encode() for row in rows_of)


def _sample_value(field: Field) -> str:
    named = {
        "MKSC_SHRN_ISCD": "005930",
        "STCK_SHRN_ISCD": "005930",
        "BSTP_CLS_CODE": "0001",
        "ACNT_NO": ACCOUNT,
        "ODER_NO": "0000012345",
        "SELN_BYOV_CLS": "02",
        "CNTG_YN": "2",
        "CCLD_DVSN": "1",
        "CNTG_CLS_CODE": "1",
        "CNTG_VOL": "5",
        "ACML_VOL": "1000",
        "VI_CLS_CODE": "N",
        "OVTM_VI_CLS_CODE": "N",
    }
    by_kind = {
        Kind.INT: "71500",
        Kind.DECIMAL: "1.23",
        Kind.TIME: "093015",
        Kind.DATE: "20260915",
        Kind.FLAG: "N",
        Kind.CODE: "0",
        Kind.TEXT: "",
    }
    return named.get(field.name, by_kind[field.kind])


# -- texts of the WebSocket and answers ----------------------------------------------------------


_CONTROL: Final = (
    b'{"header":{},"x":' + b"[" * 3_000,
    b'{"header":{"tr_id":"PINGPONG","datetime":"20260915093015"}}',
    b'{"header":{"tr_id":"H0STCNT0","tr_key":"005930","encrypt":"N"},"body":{"rt_cd":"0","msg_cd":'
    b'"OPSP0000","msg1":"SUBSCRIBE SUCCESS","output":{"iv":"0123456789012345","key":"0"}}}',
)
_NESTED: Final = b'{"output":' + b"[" * 3_000
_ANSWERS: Final = (
    _NESTED,
    b'{"rt_cd":"0","msg_cd":"KIOK0530","msg1":"ok","output":{"ODNO":"1","ORD_TMD":"093015"}}',
    b'{"rt_cd":"1","msg_cd":"EGW00201","msg1":"too fast"}',
    b'{"rt_cd":"0","output1":[{"odno":"1"}],"output2":{"tot_evlu_amt":"1"}}',
)
_TOKENS: Final = (
    b'{"access_token":"x","expires_in":86400,"access_token_token_expired":"2026-09-16 09:30:15"}',
    b'{"error_code":"EGW00133","error_description":"wait"}',
)


def _feed_control(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        feed_control.read(data.decode("utf-8", "replace"))


def _order_answer(data: bytes) -> None:
    status, body = (data[0] * 4, data[1:]) if data else (200, b"")
    judge("order-cash", status, body)


def _inquiry_answer(data: bytes) -> None:
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except UNREADABLE:
        return
    for name in ("output", "output1", "output2"):
        block = getattr(envelope, name)
        with contextlib.suppress(InquiryFailed):
            rows("call", name, block)
        with contextlib.suppress(InquiryFailed):
            single("call", name, block)


def _token(data: bytes) -> None:
    try:
        reply = msgspec.json.decode(data, type=auth._TokenReply)
    except UNREADABLE:
        return
    auth._end_of(reply, RECEIVED)
    auth._refusal("token", reply)


# -- objects of answers --------------------------------------------------------------------------


_ORDER_ROW: Final = {
    "odno": "0000012345",
    "pdno": "005930",
    "sll_buy_dvsn_cd": "02",
    "orgn_odno": "",
    "cncl_yn": "N",
    "ord_gno_brno": "06010",
    "ord_qty": "10",
    "ord_unpr": "71500",
    "tot_ccld_qty": "3",
    "tot_ccld_amt": "214500",
    "cncl_cfrm_qty": "0",
    "rjct_qty": "0",
    "rmn_qty": "7",
    "ord_dt": "20260915",
    "ord_tmd": "093015",
}
_HOLDING: Final = {
    "pdno": "005930",
    "hldg_qty": "10",
    "ord_psbl_qty": "10",
    "pchs_amt": "715000.00",
    "prpr": "71600",
}


def _order_row(data: bytes) -> None:
    row = _object("inquire-daily-ccld", sorted(_ORDER_ROW), data)
    with contextlib.suppress(InquiryFailed):
        broker_rows.order(row)
    with contextlib.suppress(InquiryFailed):
        charts.stamp(row, "ord_dt", "ord_tmd")


def _holding(data: bytes) -> None:
    row = _object("inquire-balance", sorted(_HOLDING), data)
    with contextlib.suppress(InquiryFailed):
        broker_rows.holdings([row, row])


def _api_record(reader: Reader[Record]) -> Callable[[bytes], None]:
    names = sorted(reader.names)

    def run(data: bytes) -> None:
        with contextlib.suppress(InquiryFailed):
            reader.read(_object(reader.source.call, names, data), DAY)

    return run


def _api_sample(reader: Reader[Record]) -> Mapping[str, str]:
    return {
        name: _sample_value(reader.source.fields[name]) if name in reader.source.fields else "0"
        for name in reader.names
    }


def _object(call: str, names: Sequence[str], data: bytes) -> Fields:
    """Return an object whose fields have the pieces of ``data`` as values, in order."""
    pieces = data.decode("utf-8", "replace").split(_SEPARATOR)
    return Fields(call, dict(zip(names, pieces, strict=False)))


def _samples_of(values: Mapping[str, str]) -> tuple[bytes, ...]:
    return (_SEPARATOR.join(values[name] for name in sorted(values)).encode(),)


# -- files and stores ----------------------------------------------------------------------------


def _master(file: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with contextlib.suppress(MasterFileError):
            if file in master_records.LISTINGS:
                master_records.instruments(file, data)
            elif file == "idxcode":
                master_records.index_names(data)
            elif file == "theme_code":
                master_records.theme_members(data)
            else:
                master_records.member_firms(data)

    return run


def _sample_master(file: str) -> tuple[bytes, ...]:
    width = master_form(file).record_bytes
    return (b"0" * width + b"\n", b" " * width, b"005930".ljust(width, b"1") + b"\r\n")


def _archive(data: bytes) -> None:
    with contextlib.suppress(MasterFileError):
        masters._unpacked("kospi_code", data)


def _sample_archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kospi_code.mst", b"005930" * 20)
    return packed.getvalue()


def _cipher_text(data: bytes) -> None:
    with contextlib.suppress(DecryptionFailed):
        NoticeCipher("k" * 32, "i" * 16).decrypt(data.decode("utf-8", "replace"))
    with contextlib.suppress(DecryptionFailed):
        NoticeCipher(data[:32].decode("utf-8", "replace"), data[32:].decode("utf-8", "replace"))


def _raw_block(data: bytes) -> None:
    with contextlib.suppress(RawBlockUnreadable):
        decode_block(data)
