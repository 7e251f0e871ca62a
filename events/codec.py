"""Bytes ↔ events. The only place that knows the wire format.

Market events are MessagePack arrays ``["TradeFrame.1", at, …]``; all others JSON objects
``{"type":"IntentSubmitted.1", …}`` that any NATS tool can show. The first byte tells them apart.
A type tag carries its version; ``UPCASTS`` turns an old version into today's when it is read.

What always holds: ``decode(encode(e)) == e``; equal events have equal bytes; every failure is a
typed ``CodecError`` that carries the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final, Union

import msgspec

from events import control, market, ops, signal, trading
from events.errors import MalformedPayload, UnknownEventType, UnknownEventVersion
from events.event import Event, MarketEvent


def _tagged(*modules: ModuleType) -> Iterator[type[Event]]:
    for module in modules:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Event)
                and value.__struct_config__.tag is not None
            ):
                yield value


MARKET_TYPES: Final = tuple(_tagged(market))
"""Every event type of the market family."""

READABLE_TYPES: Final = tuple(_tagged(trading, control, signal, ops))
"""Every event type that is written as JSON."""

EVENT_TYPES: Final = MARKET_TYPES + READABLE_TYPES

UPCASTS: Final[dict[type[Event], Callable[[Any], Event]]] = {}
"""Old struct type → function to its next version. Empty while every type is at version 1."""

_VERSIONS: Final[dict[str, tuple[int, ...]]] = {}
for _type in EVENT_TYPES:
    _name, _, _version = str(_type.__struct_config__.tag).partition(".")
    _VERSIONS[_name] = (*_VERSIONS.get(_name, ()), int(_version))

# "deterministic" sorts dict keys: equal events have equal bytes whatever order built the dict.
_json_encoder: Final = msgspec.json.Encoder(order="deterministic")
_msgpack_encoder: Final = msgspec.msgpack.Encoder(order="deterministic")
_json_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(
    Union[READABLE_TYPES]  # noqa: UP007 - a union over a tuple cannot be spelled with |
)
_msgpack_decoder: Final[msgspec.msgpack.Decoder[Event]] = msgspec.msgpack.Decoder(
    Union[MARKET_TYPES]  # noqa: UP007
)
_json_object_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_msgpack_array_decoder: Final = msgspec.msgpack.Decoder(list[Any])

_OPENING_BRACE: Final = 0x7B
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no event, text that is no UTF-8 and nesting included."""


def encode(event: Event) -> bytes:
    """Return the bytes of an event, equal for equal events."""
    if isinstance(event, MarketEvent):
        return _msgpack_encoder.encode(event)
    return _json_encoder.encode(event)


def decode(payload: bytes) -> Event:
    """Return the event in a payload, upcast to the current version of its type.

    Raises:
        UnknownEventType: the tag names no event of this code.
        UnknownEventVersion: the event is known, this version of it is not.
        MalformedPayload: truncated, wrong shape, or no event at all.
    """
    try:
        if payload and payload[0] == _OPENING_BRACE:
            event = _json_decoder.decode(payload)
        else:
            event = _msgpack_decoder.decode(payload)
    except _UNREADABLE as error:
        raise _diagnose(payload, str(error)) from error
    if UPCASTS:
        while (upcast := UPCASTS.get(type(event))) is not None:
            event = upcast(event)
    return event


def event_name(event: Event | type[Event]) -> str:
    """Return the type name without its version, for example ``IntentSubmitted``."""
    return str(event.__struct_config__.tag).partition(".")[0]


def _diagnose(payload: bytes, reason: str) -> Exception:
    """Say why a payload did not decode; called only after it failed, so speed does not matter."""
    try:
        if payload[:1] == b"{":
            tag = _json_object_decoder.decode(payload).get("type")
        else:
            array = _msgpack_array_decoder.decode(payload)
            tag = array[0] if array else None
    except _UNREADABLE:
        return MalformedPayload(reason, payload)
    if not isinstance(tag, str):
        return MalformedPayload("it has no type tag", payload)
    name, _, version = tag.partition(".")
    known = _VERSIONS.get(name)
    if known is None:
        return UnknownEventType(tag, payload)
    if not version.isdecimal() or int(version) not in known:
        return UnknownEventVersion(name, version, known, payload)
    return MalformedPayload(f"{tag}: {reason}", payload)
