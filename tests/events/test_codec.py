"""The codec: round trips, determinism, and a typed error for everything that is no event."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Event, StrategyId, Symbol, TradingDate, codec
from events.errors import CodecError, MalformedPayload, UnknownEventType, UnknownEventVersion
from events.market import Aggressor, ClockTick, Phase, Trade, TradeFrame
from events.signal import UniverseSelected
from tests.events.arbitrary import events

TICK = ClockTick(at=1_757_894_400_000_000_000, phase=Phase.CONTINUOUS)


@given(events())
def test_every_event_survives_the_round_trip(event: Event) -> None:
    """decode(encode(e)) == e, and encoding again gives the same bytes."""
    payload = codec.encode(event)
    assert codec.decode(payload) == event
    assert codec.encode(codec.decode(payload)) == payload


@given(events())
def test_everything_but_market_data_is_readable_json(event: Event) -> None:
    """Plain tools show intents, orders, signals and ops events."""
    payload = codec.encode(event)
    if type(event) in codec.MARKET_TYPES:
        assert payload[:1] != b"{"
    else:
        assert json.loads(payload)["type"].startswith(codec.event_name(event) + ".")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_never_escape_as_anything_but_a_codec_error(payload: bytes) -> None:
    """Bytes from anywhere decode or raise CodecError with the bytes inside."""
    try:
        event: object = codec.decode(payload)
    except CodecError as error:
        event = error.payload
    assert isinstance(event, Event) or event == payload


@given(events(), st.data())
def test_a_truncated_payload_is_malformed(event: Event, data: st.DataObject) -> None:
    """Any proper prefix of an event is an error, never another event."""
    payload = codec.encode(event)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(CodecError):
        codec.decode(payload[:cut])


def test_an_unknown_type_is_named() -> None:
    """The message says which type and what to do."""
    with pytest.raises(UnknownEventType, match=r"'Rumour\.1'.*upgrade"):
        codec.decode(b'{"type":"Rumour.1","at":1}')
    with pytest.raises(UnknownEventType, match=r"'Rumour\.1'"):
        codec.decode(msgspec.msgpack.encode(["Rumour.1", 1]))


def test_an_unknown_version_names_those_it_can_read() -> None:
    """A newer writer is recognised as such."""
    with pytest.raises(UnknownEventVersion, match=r"ClockTick has version '2'.*reads \[1\]"):
        codec.decode(msgspec.msgpack.encode(["ClockTick.2", 1, "continuous"]))
    with pytest.raises(UnknownEventVersion, match="OrderUnknown has version 'x'"):
        codec.decode(b'{"type":"OrderUnknown.x"}')


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\xc1",
        b'{"type":7}',
        b"\x90",
        b'{"typ\x80":"Heartbeat.1"}',
    ],
)
def test_what_is_no_event_is_malformed(payload: bytes) -> None:
    """No type tag, no event."""
    with pytest.raises(MalformedPayload):
        codec.decode(payload)


def test_a_field_of_the_wrong_type_is_malformed_and_names_the_place() -> None:
    """The decoder's own path is part of the message."""
    with pytest.raises(MalformedPayload, match=r"OrderUnknown\.1.*reason"):
        codec.decode(b'{"type":"OrderUnknown.1","at":1,"order_id":"o","reason":3}')


def test_the_wire_form_of_a_market_event_is_frozen() -> None:
    """Bytes written today must be readable for ever; changing them needs a new version."""
    frame = TradeFrame(
        at=1_757_894_400_123_456_789,
        symbol=Symbol("005930"),
        trades=(
            Trade(
                time=1_757_894_400_000_000_000,
                price=76_500,
                quantity=10,
                aggressor=Aggressor.BUY,
                cumulative_volume=1_000,
                cumulative_value=76_400_000,
                best_ask=76_500,
                best_bid=76_400,
                vi_reference=76_000,
                auction=False,
            ),
        ),
    )
    assert codec.encode(frame).hex() == (
        "94ac54726164654672616d652e31cf18654ba4a801cd15a6303035393330919acf18654b"
        "a4a0a60000ce00012ad40a01cd03e8ce048dc580ce00012ad4ce00012a70ce000128e0c2"
    )


def test_the_wire_form_of_a_readable_event_is_frozen() -> None:
    """Keys of objects are sorted inside dictionaries and in field order outside."""
    event = UniverseSelected(
        at=5,
        strategy=StrategyId("KMP"),
        trading_date=TradingDate("20250915"),
        symbols=(Symbol("005930"),),
        sectors={Symbol("b"): "y", Symbol("a"): "x"},
        source="test",
    )
    assert codec.encode(event) == (
        b'{"type":"UniverseSelected.1","at":5,"strategy":"KMP","trading_date":"20250915",'
        b'"symbols":["005930"],"sectors":{"a":"x","b":"y"},"source":"test"}'
    )


def test_an_old_version_is_upcast_when_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered upcast runs on read, repeatedly until today's version is reached."""

    def upcast(old: ClockTick) -> UniverseSelected:
        return UniverseSelected(
            at=old.at,
            strategy=StrategyId("S"),
            trading_date=TradingDate("20250915"),
            symbols=(),
            sectors={},
            source="upcast",
        )

    monkeypatch.setitem(codec.UPCASTS, ClockTick, upcast)  # type: ignore[misc] # generic keys
    event = codec.decode(codec.encode(TICK))
    assert isinstance(event, UniverseSelected)
    assert event.source == "upcast"


@given(events())
def test_topics_are_subjects_of_ours(event: Event) -> None:
    """Whatever the ids are made of, families and kinds come from the fixed list."""
    family = event.topic.partition(".")[0]
    assert family in ("market", "trading", "signal", "ops")
    if family == "market":
        assert type(event) in codec.MARKET_TYPES
