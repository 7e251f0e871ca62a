"""Every parser for a moment in the default suite; ``just fuzz`` goes on for minutes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import Target, targets

ALL = tuple(targets())


@st.composite
def mutated(draw: st.DrawFn, samples: tuple[bytes, ...]) -> bytes:
    """A sample with some places cut out, overwritten or doubled."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        end = place + draw(st.integers(0, 12))
        data[place:end] = draw(st.one_of(st.binary(max_size=8), st.sampled_from(_AWKWARD)))
    return bytes(data)


_AWKWARD = (
    b"",
    b"^",
    b"|",
    b"-1",
    b"NaN",
    b"Infinity",
    b"1e999999",
    b"9" * 30,
    b"1_0",
    "٣".encode(),
    b"\xff",
    b"\x00",
    b"\x1f",
    b"(null)",
    b"00000000",
    b"99999999",
)


_NEGATIVE_OFFSET = (
    "ULsDBBQAAAAIAOUsdV1mOUSwCwAAAHgAAAAOAAAAa29zcGlfY29kZS5tc3QzMPUAAAAAAAAAMLU0NjCgOwkAUEsBAhQD"
    "FAAAAAgA5Sx1XWY5RLALAAAAeAAAAA4AAAAAAAAAAAAAAIABAAAAAGtvc3B8SDBvZGUubXN0UEsFBgD////+AAEAPAAA"
    "ADdIMG9kAA=="
)


@pytest.mark.parametrize("target", ALL, ids=[target.name for target in ALL])
@settings(max_examples=25)
@given(data=st.data())
def test_only_typed_errors_come_out(target: Target, data: st.DataObject) -> None:
    """Any bytes, and bytes that nearly parse."""
    target.run(data.draw(st.one_of(mutated(target.samples), st.binary(max_size=400))))


@pytest.mark.parametrize("target", ALL, ids=[target.name for target in ALL])
def test_the_samples_are_taken(target: Target) -> None:
    """Fuzzing starts from bytes that get far into the parser."""
    for sample in target.samples:
        target.run(sample)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("order answers", b'\x32{"output":' + b"[" * 100_000),
        ("feed control", b'{"header":{},"x":' + b"[" * 100_000),
        ("holdings", b"1e1071500\x1f1\x1f1\x1f005930\x1f1"),
        ("raw blocks", b"\x92\x01\x91\x93\x01\xa2w\xf3\x1f71500"),
        ("master archives", base64.b64decode(_NEGATIVE_OFFSET)),
    ],
)
def test_what_was_found_once_stays_found(name: str, data: bytes) -> None:
    """Nesting, exponents, texts and offsets that once came out as errors of a library."""
    (target,) = [target for target in ALL if target.name == name]
    target.run(data)
