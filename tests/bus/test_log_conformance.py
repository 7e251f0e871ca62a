"""What every log backend must do; each test runs on memory and on a real nats-server."""

from __future__ import annotations

import asyncio

import pytest

from bus import AppendConflict, Entry, IdentityReused, Log, Recorded


def an_entry(
    log: Log, topic: str, payload: bytes = b"x", identity: str = "", expected: int | None = None
) -> Entry:
    return Entry(
        f"kst.{log.account}.{topic}", payload, identity or f"{topic}-{payload!r}", expected
    )


async def everything(log: Log, **options: object) -> list[Recorded]:
    found: list[Recorded] = []
    async with log.read(**options) as reader:  # type: ignore[arg-type]
        while batch := await reader.batch(0.3):
            found += batch
    return found


async def test_sequences_start_at_one_and_have_no_gaps(log: Log) -> None:
    """Appends of one and of many number on without a hole."""
    assert await log.append([an_entry(log, "ops.a", b"1")]) == (1,)
    assert await log.append([an_entry(log, "ops.a", b"%d" % n) for n in range(2, 40)]) == tuple(
        range(2, 40)
    )
    assert (await log.info()).last_sequence == 39


@pytest.mark.parametrize("count", [1, 5, 100])
@pytest.mark.parametrize("atomic", [True, False])
async def test_what_was_appended_is_read_back_in_order(log: Log, count: int, atomic: bool) -> None:
    """Payload, subject, identity and order survive, whatever the size of the append."""
    entries = [an_entry(log, f"market.trade.{n % 3}", b"%d" % n) for n in range(count)]
    await log.append(entries, atomic=atomic)
    found = await everything(log)
    assert [entry.payload for entry in found] == [entry.payload for entry in entries]
    assert [entry.subject for entry in found] == [entry.subject for entry in entries]
    assert [entry.identity for entry in found] == [entry.identity for entry in entries]
    assert [entry.sequence for entry in found] == list(range(1, count + 1))


async def test_a_second_copy_is_stored_once(log: Log) -> None:
    """The same entry again yields the sequence it already has."""
    entry = an_entry(log, "ops.a")
    assert await log.append([entry]) == await log.append([entry])
    assert (await log.info()).last_sequence == 1


async def test_a_second_copy_with_an_expectation_is_stored_once(log: Log) -> None:
    """A retry of a conditional append is recognised although the condition no longer holds."""
    entry = an_entry(log, "trading.order.o1", expected=0)
    assert await log.append([entry]) == await log.append([entry])


async def test_a_copy_of_a_whole_batch_is_stored_once(log: Log) -> None:
    """A batch sent twice yields the same sequences twice."""
    entries = [an_entry(log, f"ops.s{n}") for n in range(30)]
    first = await log.append(entries)
    assert await log.append(entries) == first
    assert (await log.info()).last_sequence == 30


async def test_a_batch_stores_only_what_is_new(log: Log) -> None:
    """Known entries keep their sequence, the rest follows at the end."""
    await log.append([an_entry(log, "ops.s1"), an_entry(log, "ops.s2")])
    await log.append([an_entry(log, "ops.s3")])
    mixed = [an_entry(log, "ops.s2"), an_entry(log, "ops.new"), an_entry(log, "ops.s3")]
    assert await log.append(mixed) == (2, 4, 3)


async def test_the_same_id_with_other_bytes_is_refused(log: Log) -> None:
    """An id stands for one payload; the second is an error, not a silent success."""
    await log.append([an_entry(log, "ops.a", b"1", "same")])
    with pytest.raises(IdentityReused) as caught:
        await log.append([an_entry(log, "ops.a", b"2", "same")])
    assert caught.value.sequence == 1
    with pytest.raises(IdentityReused):
        await log.append(
            [an_entry(log, "ops.a", b"3", "fresh"), an_entry(log, "ops.a", b"2", "same")]
        )
    assert (await log.info()).last_sequence == 1


async def test_an_expectation_that_does_not_hold_stores_nothing(log: Log) -> None:
    """Somebody wrote first: conflict, with the actual sequence."""
    await log.append([an_entry(log, "ops.other"), an_entry(log, "trading.order.o1", b"first")])
    with pytest.raises(AppendConflict) as caught:
        await log.append([an_entry(log, "trading.order.o1", b"second", expected=0)])
    assert (caught.value.expected, caught.value.actual) == (0, 2)
    assert (await log.info()).last_sequence == 2


async def test_one_conflict_in_a_batch_stores_none_of_it(log: Log) -> None:
    """All or nothing."""
    await log.append([an_entry(log, "trading.order.o1", b"first")])
    with pytest.raises(AppendConflict):
        await log.append(
            [an_entry(log, "ops.x"), an_entry(log, "trading.order.o1", b"second", expected=0)]
        )
    assert (await log.info()).last_sequence == 1


async def test_the_expected_sequence_lets_the_next_event_follow(log: Log) -> None:
    """Expecting the last sequence of the subject is the way to go on."""
    (first,) = await log.append([an_entry(log, "trading.order.o1", b"1", expected=0)])
    await log.append([an_entry(log, "ops.between")])
    assert await log.append([an_entry(log, "trading.order.o1", b"2", expected=first)]) == (3,)


async def test_two_writers_of_one_subject_cannot_both_win(log: Log) -> None:
    """Of two conditional appends at once exactly one is stored."""
    outcomes = await asyncio.gather(
        *(log.append([an_entry(log, "trading.order.o1", b"%d" % n, expected=0)]) for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AppendConflict) for outcome in outcomes) == 7
    assert (await log.info()).last_sequence == 1


async def test_reading_starts_after_a_sequence_and_keeps_to_its_topics(log: Log) -> None:
    """Filters take wildcards; sequences are those of the whole log."""
    topics = ["market.trade.A", "market.quote.A", "trading.order.o1", "market.trade.B"] * 3
    await log.append([an_entry(log, topic, b"%d" % n) for n, topic in enumerate(topics)])
    found = await everything(log, after=4, topics=("market.trade.*", "trading.>"))
    assert [entry.sequence for entry in found] == [5, 7, 8, 9, 11, 12]


async def test_a_long_run_of_what_is_not_wanted_is_passed_over(log: Log) -> None:
    """What lies beyond thousands of other entries arrives, and nothing stays pending."""
    for start in range(0, 5_000, 1_000):
        await log.append(
            [an_entry(log, "market.quote.A", b"%d" % n) for n in range(start, start + 1_000)]
        )
    await log.append([an_entry(log, "trading.intent.1")])
    await log.append([an_entry(log, "market.quote.A", b"last")])
    async with log.read(topics=("market.trade.*", "trading.intent.*")) as reader:
        found: list[Recorded] = []
        while not found:
            found += await reader.batch(0.2)
        while reader.pending:
            assert list(await reader.batch(0.2)) == []
    assert [entry.sequence for entry in found] == [5_001]


async def test_a_reader_follows_what_is_appended_later(log: Log) -> None:
    """A waiting reader wakes up."""
    async with log.read() as reader:
        assert list(await reader.batch(0.05)) == []
        waiting = asyncio.ensure_future(reader.batch(5))
        await log.append([an_entry(log, "ops.a")])
        assert [entry.sequence for entry in await waiting] == [1]


async def test_unhurried_entries_keep_their_place_and_hold_nobody_up(log: Log) -> None:
    """An urgent entry takes the unhurried ones before it along, in the order of the log."""
    topics = ["market.trade.A", "market.trade.B", "trading.intent.1", "market.trade.C"]
    async with log.read(unhurried=("market.trade",)) as reader:
        for number, topic in enumerate(topics):
            await log.append([an_entry(log, topic, b"%d" % number)])
        found: list[Recorded] = []
        while len(found) < len(topics):
            batch = await reader.batch(2.0)
            assert batch, "the reader stopped before the end"
            found += batch
    assert [recorded.sequence for recorded in found] == [1, 2, 3, 4]


async def test_pending_tells_how_far_behind_a_reader_is(log: Log) -> None:
    """Zero once everything has been handed out."""
    await log.append([an_entry(log, "ops.a", b"%d" % n) for n in range(20)])
    async with log.read() as reader:
        seen = 0
        while seen < 20:
            assert reader.pending > 0
            seen += len(await reader.batch(1))
        assert reader.pending == 0


async def test_lookups_see_own_writes(log: Log) -> None:
    """The last entry of a topic, an entry by sequence, and nothing where nothing is."""
    await log.append([an_entry(log, "ops.a", b"1"), an_entry(log, "ops.a", b"2")])
    last = await log.last("ops.a")
    assert last is not None
    assert (last.sequence, last.payload, last.identity) == (2, b"2", "ops.a-b'2'")
    first = await log.get(1)
    assert first is not None
    assert first.payload == b"1"
    # Looked up or read: the same entry, to the nanosecond.
    assert [first, last] == await everything(log)
    assert await log.last("ops.b") is None
    assert await log.get(3) is None
