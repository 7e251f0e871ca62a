"""The reader's parsing of reply subjects, and topic patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.jetstream_reader import parse_ack_subject
from bus.topics import better_sifted_here, matches, without_covered


def test_both_reply_formats_are_understood() -> None:
    """Nine tokens of today and the longer form of newer servers say the same."""
    short = parse_ack_subject("$JS.ACK.LOG_X.c1.1.7.3.1700000000123456789.42")
    long = parse_ack_subject("$JS.ACK.dom.hash.LOG_X.c1.1.7.3.1700000000123456789.42.tok")
    assert short == long == (7, 3, 1700000000123456789, 42)


@given(st.text())
def test_other_replies_are_refused(reply: str) -> None:
    """Whatever is no reply subject is a ValueError, never a wrong number."""
    if not reply.startswith("$JS.ACK"):
        with pytest.raises(ValueError, match=r".*"):
            parse_ack_subject(reply)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("market.trade.*", "market.trade.005930", True),
        ("market.trade.*", "market.trade", False),
        ("market.>", "market.trade.005930", True),
        ("market.>", "market", False),
        (">", "ops.a", True),
        ("ops.a", "ops.a", True),
        ("ops.a", "ops.b", False),
        ("market.*", "market.trade.005930", False),
    ],
)
def test_patterns_match_as_nats_does(pattern: str, topic: str, expected: bool) -> None:
    """One token for a star, one or more for a final bracket."""
    assert matches(pattern, topic) is expected


def test_covered_patterns_are_left_out() -> None:
    """The server refuses overlapping filters."""
    assert without_covered(["trading.>", "trading.intent.*", "ops.a", "ops.*"]) == [
        "ops.*",
        "trading.>",
    ]


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (("market.trade.*", "trading.intent.*"), True),
        (("market.*.*", "ops.a"), True),
        (("market.>", "trading.>"), True),
        ((">",), False),
        (("market.trade.*",), False),
        (("market.trade.005930", "trading.intent.*"), False),
        (("market.session.*", "market.clock", "trading.>", "ops.*"), False),
    ],
)
def test_only_several_patterns_with_a_whole_family_of_ticks_are_sifted_here(
    topics: tuple[str, ...], expected: bool
) -> None:
    """Few entries among many are the server's to find."""
    assert better_sifted_here(topics) is expected
