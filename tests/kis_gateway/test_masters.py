"""Master files: cut in bytes, each flag by name, kept as downloaded, refused by place."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime, MemoryLog
from events import Symbol
from events.market import InstrumentKind
from events.ops import Degraded
from events.signal import MasterFileRead
from kis_gateway.conditions import Conditions
from kis_gateway.day import master_records
from kis_gateway.day.instruments import (
    Listing,
    MarketWarning,
    Overheating,
    Preference,
    SecurityGroup,
)
from kis_gateway.day.masters import MasterFiles, MasterReading
from kis_gateway.errors import (
    MasterFieldUnreadable,
    MasterFileError,
    MasterRecordShort,
    MasterUnavailable,
)
from kis_gateway.protocol import master_form
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import ACCOUNT, DAY, OPEN, decoded, of_type
from tests.kis_gateway.simulator_bench import running

CLEAN = {
    "mksc_shrn_iscd": "005930",
    "stnd_iscd": "KR7005930003",
    "hts_kor_isnm": "삼성전자",
    "scrt_grp_cls_code": "ST",
    "avls_scal_cls_code": "1",
    "bstp_larg_div_code": "0027",
    "low_current_yn": "N",
    "kospi200_apnt_cls_code": "B",
    "kospi100_issu_yn": "Y",
    "etpr_undt_objt_co_yn": "N",
    "short_over_cls_code": "0",
    "stck_sdpr": "000070000",
    "frml_mrkt_deal_qty_unit": "00001",
    "trht_yn": "N",
    "sltr_yn": "N",
    "mang_issu_yn": "N",
    "mrkt_alrm_cls_code": "00",
    "insn_pbnt_yn": "N",
    "flng_cls_code": "02",
    "marg_rate": "020",
    "crdt_able": "Y",
    "prdy_vol": "000012345678",
    "lstn_stcn": "000000005969782",
    "prst_cls_code": "0",
    "prdy_avls_scal": "004178847",
}


def record(file: str = "kospi_code", **changes: str) -> bytes:
    """Return one line's record: ``CLEAN`` with changes, blanks elsewhere."""
    form = master_form(file)
    line = bytearray(b" " * form.record_bytes)
    for field in form.fields:
        text = {**CLEAN, **changes}.get(field.name, "")
        cut = text.encode("cp949").ljust(field.width)
        assert len(cut) == field.width, field
        line[field.offset : field.offset + field.width] = cut
    return bytes(line)


def test_a_record_is_cut_in_bytes_and_every_value_lands_in_its_place() -> None:
    """Hangul takes two bytes; the fields behind the name must not move."""
    (samsung,) = master_records.instruments("kospi_code", record() + b"\n")
    assert (samsung.symbol, samsung.isin, samsung.name) == ("005930", "KR7005930003", "삼성전자")
    assert (samsung.listing, samsung.group) == (Listing.KOSPI, SecurityGroup.STOCK)
    assert samsung.kind is InstrumentKind.STOCK
    assert (samsung.base_price, samsung.lot) == (70_000, 1)
    assert (samsung.listed_shares, samsung.previous_volume) == (5_969_782_000, 12_345_678)
    assert samsung.market_value == 417_884_700_000_000
    assert samsung.sectors == ("0027", "", "")
    assert samsung.indices == frozenset({"KOSPI100"})
    assert samsung.kospi200_sector == "B"
    assert samsung.ex_event.name == "DIVIDEND"
    assert samsung.is_tradable


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("kospi_code", {"scrt_grp_cls_code": "EF"}),
        ("kospi_code", {"scrt_grp_cls_code": "ZZ"}),
        ("kospi_code", {"prst_cls_code": "1"}),
        ("kospi_code", {"prst_cls_code": "9"}),
        ("kospi_code", {"trht_yn": "Y"}),
        ("kospi_code", {"sltr_yn": "Y"}),
        ("kospi_code", {"mang_issu_yn": "Y"}),
        ("kospi_code", {"mrkt_alrm_cls_code": "02"}),
        ("kospi_code", {"mrkt_alrm_cls_code": "03"}),
        ("kospi_code", {"insn_pbnt_yn": "Y"}),
        ("kosdaq_code", {"etpr_undt_objt_co_yn": "Y"}),
        ("kospi_code", {"low_current_yn": "Y"}),
        ("kosdaq_code", {"invt_alrm_yn": "Y"}),
        ("kospi_code", {"short_over_cls_code": "1"}),
        ("kospi_code", {"short_over_cls_code": "2"}),
    ],
)
def test_each_flag_alone_keeps_an_issue_out_of_the_universe(
    file: str, change: dict[str, str]
) -> None:
    """A code that is not documented counts against an issue, not for it."""
    (clean,) = master_records.instruments(file, record(file))
    (flagged,) = master_records.instruments(file, record(file, **change))
    assert clean.is_tradable
    assert not flagged.is_tradable


def test_a_caution_alone_does_not_keep_an_issue_out() -> None:
    """Warnings 00 and 01 may be traded."""
    (caution,) = master_records.instruments("kospi_code", record(mrkt_alrm_cls_code="01"))
    assert caution.warning is MarketWarning.CAUTION
    assert caution.is_tradable


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("EF", InstrumentKind.ETF),
        ("EN", InstrumentKind.ETN),
        ("EW", InstrumentKind.ELW),
        ("RT", InstrumentKind.REIT),
        ("MF", InstrumentKind.OTHER),
        ("FS", InstrumentKind.STOCK),
    ],
)
def test_the_group_tells_the_kind(group: str, kind: InstrumentKind) -> None:
    """Tick table and tax follow from it."""
    (found,) = master_records.instruments("kospi_code", record(scrt_grp_cls_code=group))
    assert found.kind is kind


def test_codes_with_letters_and_undocumented_classes_are_read() -> None:
    """Codes are not always digits; ETNs have seven characters."""
    content = b"\n".join(
        [record(mksc_shrn_iscd="Q500061", scrt_grp_cls_code="EN"), record(mksc_shrn_iscd="0001A0")]
    )
    etn, new = master_records.instruments("kospi_code", content)
    assert (etn.symbol, new.symbol) == ("Q500061", "0001A0")
    (odd,) = master_records.instruments(
        "kospi_code", record(prst_cls_code="9", short_over_cls_code="7")
    )
    assert (odd.preference, odd.overheating) == (Preference.OTHER, Overheating.OTHER)


def test_konex_has_fewer_flags_and_they_are_read_too() -> None:
    """Its group is no ordinary stock, so nothing of it enters a universe."""
    (found,) = master_records.instruments(
        "konex_code", record("konex_code", scrt_grp_cls_code="KN", trht_yn="Y")
    )
    assert (found.listing, found.group, found.halted) == (
        Listing.KONEX,
        SecurityGroup.KONEX,
        True,
    )
    assert not found.is_tradable


def test_a_record_that_grew_is_read_and_one_that_shrank_names_file_line_and_offset() -> None:
    """KIS appends columns without notice; what is missing is never guessed."""
    content = record() + b"XY\r\n" + record()[:-1] + b"\n"
    assert len(master_records.instruments("kospi_code", record() + b"XY\r\n")) == 1
    with pytest.raises(MasterRecordShort, match="kospi_code: line 2 ends at byte 287") as caught:
        master_records.instruments("kospi_code", content)
    assert (caught.value.file, caught.value.line, caught.value.offset) == ("kospi_code", 2, 287)


def test_bytes_that_are_no_text_and_numbers_that_are_none_name_their_place() -> None:
    """File, line, byte and field."""
    broken = bytearray(record())
    broken[21:23] = b"\xff\xff"
    with pytest.raises(MasterFieldUnreadable, match="line 1, byte 21: hts_kor_isnm"):
        master_records.instruments("kospi_code", bytes(broken))
    with pytest.raises(MasterFieldUnreadable, match="line 1, byte 102: stck_sdpr"):
        master_records.instruments("kospi_code", record(stck_sdpr="70x"))
    with pytest.raises(MasterFieldUnreadable, match="trht_yn"):
        master_records.instruments("kospi_code", record(trht_yn="?"))


def test_indices_themes_and_members_are_read() -> None:
    """The three small files."""
    (index,) = master_records.index_names(b"00001" + "종합".encode("cp949").ljust(40) + b"\n")
    assert (index.market, index.code, index.name) == ("0", "0001", "종합")
    (theme,) = master_records.theme_members(
        b"001" + "반도체".encode("cp949").ljust(40) + b"005930\n"
    )
    assert (theme.theme, theme.name, theme.symbol) == ("001", "반도체", "005930")
    (firm,) = master_records.member_firms(b"00003" + b"KIS".ljust(20) + b"1\n")
    assert (firm.code, firm.name, firm.foreign) == ("00003", "KIS", True)


@given(st.binary(max_size=600))
def test_any_bytes_are_records_or_a_typed_error(content: bytes) -> None:
    """Nothing else may come out of a file from outside."""
    for read in (
        lambda data: master_records.instruments("kosdaq_code", data),
        master_records.index_names,
        master_records.theme_members,
        master_records.member_firms,
    ):
        with contextlib.suppress(MasterFileError):
            read(content)


def archive(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{name}.mst", content)
    return packed.getvalue()


class Host:
    """What the download host serves; it counts what it was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        name = request.url.path.removeprefix("/common/master/").removesuffix(".mst.zip")
        if name not in self.files:
            return httpx.Response(404)
        return httpx.Response(200, content=self.files[name])


@asynccontextmanager
async def reading(host: Host, folder: Path) -> AsyncIterator[tuple[MasterReading, MemoryLog]]:
    time, log = ManualTime(OPEN), MemoryLog(ACCOUNT)
    publisher = Publisher(log, "r1")
    conditions = Conditions(publisher, time)

    class NoPause(ManualTime):
        async def sleep(self, seconds: float) -> None:
            return None

    async with httpx.AsyncClient(transport=httpx.MockTransport(host.answer)) as http:
        files = MasterFiles(http, folder, NoPause(OPEN), "http://kis/")
        yield MasterReading(files, publisher, conditions, time, DAY), log
        writing = asyncio.create_task(publisher.run())
        await publisher.flush()
        writing.cancel()


FILES = {
    "kospi_code": archive(
        "kospi_code",
        record() + b"\n" + record(mksc_shrn_iscd="069500", scrt_grp_cls_code="EF") + b"\n",
    ),
    "kosdaq_code": archive("kosdaq_code", record("kosdaq_code", mksc_shrn_iscd="247540") + b"\n"),
    "konex_code": archive("konex_code", b""),
    "idxcode": archive("idxcode", b"00001" + b"KOSPI".ljust(40) + b"\n"),
    "theme_code": archive("theme_code", b"001" + b"AI".ljust(40) + b"005930\n"),
    "memcode": archive("memcode", b"00003" + b"KIS".ljust(20) + b"0\n"),
}


async def test_every_file_is_kept_recorded_with_its_digest_and_known_by_kind(
    tmp_path: Path,
) -> None:
    """A second start of the day reads what is kept and reports nothing twice."""
    host = Host(FILES)
    async with reading(host, tmp_path) as (subject, log):
        await subject.run(frozenset())
        assert subject.kind(Symbol("069500")) is InstrumentKind.ETF
        assert subject.kind(Symbol("247540")) is InstrumentKind.STOCK
        assert subject.kind(Symbol("999999")) is None
    events = {event.file: event for event in of_type(log, MasterFileRead)}
    assert {name: (each.issues, each.tradable) for name, each in events.items()} == {
        "kospi_code": (2, 1),
        "kosdaq_code": (1, 1),
        "konex_code": (0, 0),
        "idxcode": (1, 0),
        "theme_code": (1, 0),
        "memcode": (1, 0),
    }
    digest = hashlib.sha256(FILES["kospi_code"]).hexdigest()
    assert events["kospi_code"].digest == digest
    kept = tmp_path / DAY / "kospi_code.mst.zip"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest
    assert not any(tmp_path.rglob("*.part"))  # noqa: ASYNC240 - a test folder, nothing waits
    asked = len(host.asked)
    async with reading(host, tmp_path) as (again, second):
        await again.run(frozenset(events))
        assert again.kind(Symbol("069500")) is InstrumentKind.ETF
    assert len(host.asked) == asked == 6
    assert decoded(second) == []


async def test_a_file_that_cannot_be_had_or_read_is_a_condition_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    """Missing, no archive, a broken record: each is named, and none is an empty universe."""
    broken = {
        **FILES,
        "konex_code": b"no archive",
        "kosdaq_code": archive("kosdaq_code", b"short\n"),
    }
    del broken["memcode"]
    host = Host(broken)
    async with reading(host, tmp_path) as (subject, log):
        await subject.run(frozenset())
    assert {event.condition for event in of_type(log, Degraded)} == {
        "master-konex_code",
        "master-kosdaq_code",
        "master-memcode",
    }
    assert len(of_type(log, MasterFileRead)) == 3
    assert host.asked.count("/common/master/memcode.mst.zip") == 3


async def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    """It is not what the broker serves."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a", b"")
        file.writestr("b", b"")
    transport = httpx.MockTransport(Host({"idxcode": packed.getvalue()}).answer)
    async with httpx.AsyncClient(transport=transport) as http:
        files = MasterFiles(http, tmp_path, ManualTime(OPEN), "http://kis")
        with pytest.raises(MasterUnavailable, match="2 files"):
            await files.fetch("idxcode", DAY)
    assert not any(tmp_path.rglob("*.zip"))  # noqa: ASYNC240 - a test folder, nothing waits


async def test_the_simulators_files_are_read_by_the_client(tmp_path: Path) -> None:
    """Both ends use one layout; every listed issue is known afterwards."""
    log = MemoryLog(ACCOUNT)
    async with running() as bench:
        publisher = Publisher(log, "r1")
        conditions = Conditions(publisher, bench.clock)
        files = MasterFiles(bench.http, tmp_path, bench.clock, bench.simulator.rest_url)
        subject = MasterReading(files, publisher, conditions, bench.clock, DAY)
        await subject.run(frozenset())
        assert conditions.present == frozenset()
        samsung = subject.instruments[Symbol("005930")]
        assert (samsung.name, samsung.listing, samsung.base_price) == (
            "삼성전자",
            Listing.KOSPI,
            70_000,
        )
        assert samsung.listed_shares == 5_969_782_000
        assert samsung.is_tradable
        assert subject.instruments[Symbol("247540")].listing is Listing.KOSDAQ
