"""Payloads in columns: the same bytes come back, and what does not fit is kept as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bus import Recorded
from bus.archive.columns import Placed, payloads, place
from bus.archive.families import COLUMNS, EXPLODED, LAYOUTS, OTHER
from events import Event, codec
from events.market import ClockTick, Phase, QuoteFrame, TradeFrame
from events.ops import DivergenceFound
from tests.bus.archive.a_day import NO_EVENTS, SAMSUNG, tick, trade
from tests.events.arbitrary import events

TICK = codec.encode(tick(1))


def recorded(contents: Sequence[bytes]) -> list[Recorded]:
    return [Recorded(n, "kst.a.ops.b", content, "i", n) for n, content in enumerate(contents, 1)]


def given_back(placed: Placed) -> dict[int, bytes]:
    """Return the payloads in columns by sequence."""
    found: dict[int, bytes] = {}
    for family, frame in placed.frames.items():
        if family == OTHER:
            found |= dict(zip(frame["sequence"].to_list(), frame["payload"].to_list(), strict=True))
            continue
        for (tag,), rows in frame.group_by("type", maintain_order=True):
            found |= dict(zip(*payloads(str(tag), LAYOUTS[str(tag)], rows), strict=True))
    return found


@settings(max_examples=60)
@given(st.lists(events(), max_size=6))
def test_any_events_come_back_byte_for_byte(listed: list[Event]) -> None:
    """Whatever the vocabulary can say: columns and families give every payload."""
    entries = recorded([codec.encode(event) for event in listed])
    assert given_back(place(entries)) == {each.sequence: each.payload for each in entries}


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_come_back(listed: list[bytes]) -> None:
    """Bytes from anywhere are kept."""
    entries = recorded(listed)
    assert given_back(place(entries)) == {each.sequence: each.payload for each in entries}


def test_what_is_no_event_of_today_keeps_its_bytes() -> None:
    """Garbage, unknown types and versions, odd spaces: family other, neighbours stay typed."""
    placed = place(recorded([TICK, *NO_EVENTS, TICK]))
    assert placed.families == ["clock", *[OTHER] * len(NO_EVENTS), "clock"]
    assert placed.types == ["ClockTick.1", *[None] * len(NO_EVENTS), "ClockTick.1"]


def test_one_value_of_another_type_costs_no_other_entry_its_columns() -> None:
    """A number where a text belongs, one beyond 64 bits, true for 1, a trade too wide."""
    good = codec.encode(TradeFrame(at=1, symbol=SAMSUNG, trades=(trade(1, 70_000, 5),)))
    odd = [
        msgspec.msgpack.encode(["ClockTick.1", 1, 7]),
        msgspec.msgpack.encode(["ClockTick.1", 2**63, "continuous"]),
        msgspec.msgpack.encode(["ClockTick.1", True, "continuous"]),
        msgspec.msgpack.encode(["TradeFrame.1", 1, "005930", [[1, 2, 3]]]),
        msgspec.msgpack.encode(["TradeFrame.1", 1, "005930", [["1", *range(8), False]]]),
        msgspec.msgpack.encode(["QuoteFrame.1", 1, "005930", 1, [1.5], [1], [2**63], [1], 0, 0]),
    ]
    entries = recorded([TICK, good, *odd, good, TICK])
    placed = place(entries)
    assert placed.families == ["clock", "trades", *[OTHER] * 6, "trades", "clock"]
    assert given_back(placed) == {each.sequence: each.payload for each in entries}


def test_a_trade_is_a_row_with_its_place_in_the_frame() -> None:
    """Two trades that came together are two rows of one sequence."""
    frame = TradeFrame(at=9, symbol=SAMSUNG, trades=(trade(1, 70_000, 5), trade(1, 70_100, 7)))
    rows = place(recorded([TICK, codec.encode(frame)])).frames["trades"]
    assert rows.select("sequence", "place", "at", "symbol", "price", "quantity").rows() == [
        (2, 0, 9, "005930", 70_000, 5),
        (2, 1, 9, "005930", 70_100, 7),
    ]


def test_a_book_is_a_row_with_lists_of_levels() -> None:
    """Best level first, as on the log; a side without orders is an empty list."""
    quote = QuoteFrame(
        at=9,
        symbol=SAMSUNG,
        time=8,
        ask_prices=(70_100, 70_200),
        ask_quantities=(3, 4),
        bid_prices=(),
        bid_quantities=(),
    )
    rows = place(recorded([codec.encode(quote)])).frames["quotes"]
    assert rows.select("symbol", "ask_prices", "ask_quantities", "bid_prices").rows() == [
        ("005930", [70_100, 70_200], [3, 4], [])
    ]


def test_a_field_called_sequence_stands_beside_the_rows_own() -> None:
    """The log's sequence is called sequence in every file."""
    event = DivergenceFound(
        at=1, service="risk", sequence=77, kind="changed", expected="a", found="b"
    )
    rows = place(recorded([codec.encode(event)])).frames["ops"]
    assert rows.select("sequence", "event_sequence").rows() == [(1, 77)]


def test_a_block_is_in_log_order_whatever_its_types() -> None:
    """Types of one family are sorted together."""
    ticks = [
        codec.encode(ClockTick(at=n, phase=Phase.CLOSED)) if n % 2 else codec.encode(_phase(n))
        for n in range(9)
    ]
    rows = place(recorded(ticks)).frames["clock"]
    assert rows["sequence"].to_list() == list(range(1, 10))


def _phase(number: int) -> Event:
    from events import TradingDate
    from events.market import PhaseChanged

    return PhaseChanged(at=number, trading_date=TradingDate("20250915"), phase=Phase.CLOSED)


def test_every_column_is_documented() -> None:
    """docs/recordings.md names every family and each of its columns."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "recordings.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n### ")[1:])
    for family, columns in COLUMNS.items():
        section = sections[f"{family}.parquet"]
        wanted = [*columns, *(["place"] if family in EXPLODED else [])]
        missing = [name for name in wanted if f"`{name}`" not in section]
        assert not missing, f"{family}.parquet: {missing}"
