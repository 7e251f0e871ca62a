"""``kst raw replay``: the recorded frames of a run through this code's decoder, against its log.

After a change of the decoder this says what would have been different; after a change of the
broker's layout it says whether the new decoder would have understood the day. Frames and log are
both in the order of receipt, so they are read side by side; what belongs together has the same
instant of receipt.

Not compared: what the gateway asked for by REST (also index levels and program trading whose
instant no frame has), own notices, which become order events elsewhere and are only read again,
and what stands on the log from before the recording began.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bus import JetStreamLog, Log, RawReader
from deploy.calendar_input import parse_day
from deploy.data_directory import find_run
from deploy.log_access import open_log, with_sealed_days
from deploy.raw_comparison import Derived, Difference, Logged, side_by_side
from deploy.terminal import console, print_json
from events import TradingDate, codec
from events.calendar import instant, trading_date
from kis_gateway.broker import FeedMessage, MarketRecord
from kis_gateway.errors import FrameError
from kis_gateway.frames import FrameDecoder

_FEED: Final = "ws"
_NOTICE: Final = "notice"
_TOPICS: Final = ("market.>",)
_MASKED: Final = "***"
_NOBODY: Final = "0000000000"
"""Stands for masked accounts, so that recorded notices can be read again."""

_ACCOUNT_COLUMN: Final = 1
_DAY: Final = 86_400 * 1_000_000_000
_WAIT: Final = 2.0
_SILENCES: Final = 3


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared and what differed.

    ``frames`` and ``notices`` were read, ``unreadable`` of both could not be, by this code.
    ``sources`` counts everything recorded by where it came from. ``unrecorded`` events stand on
    the log from before the recording. ``first`` are the first differences in order.
    """

    date: str
    frames: int
    notices: int
    unreadable: int
    sources: dict[str, int]
    matched: int
    missing: int
    extra: int
    changed: int
    unrecorded: int
    first: tuple[Difference, ...]

    @property
    def differences(self) -> int:
        """How many there are."""
        return self.missing + self.extra + self.changed


class _Frames:
    """Reads the recorded frames and derives events, counting what passes."""

    def __init__(self, reader: RawReader, day: range, step: Callable[[int], None]) -> None:
        self._reader = reader
        self._day = day
        self._step = step
        self._decoder = FrameDecoder(_NOBODY)
        self.sources: Counter[str] = Counter()
        self.frames = self.notices = self.unreadable = 0
        self.began: int | None = None

    async def derived(self) -> AsyncIterator[tuple[int, list[Derived]]]:
        """Yield (instant, events) of every frame of the day that says anything, in order."""
        async for recorded in self._reader.frames():
            self._step(recorded.sequence)
            at, source, payload = recorded.frame
            if at not in self._day:
                continue
            if self.began is None:
                self.began = at
            self.sources[source] += 1
            text = payload.decode("utf-8", "replace")
            if source == _NOTICE:
                self.notices += 1
                self._decode(_unmasked(text), at)
            elif source == _FEED and not text.startswith("1"):
                self.frames += 1
                events = [
                    Derived(message, recorded.sequence, recorded.place, text)
                    for message in self._decode(text, at)
                    if isinstance(message, MarketRecord)
                ]
                if events:
                    yield at, events

    def _decode(self, text: str, at: int) -> Sequence[FeedMessage]:
        try:
            return self._decoder.decode(text, at)
        except FrameError:
            self.unreadable += 1
            return ()


def replay_command(date: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Replay one day of a run, show the differences and return the exit status."""
    directory = find_run(data_dir)
    day = directory.manifest.trading_date if date is None else trading_date(parse_day(date))

    async def run() -> ReplayResult:
        async with open_log(directory) as log:
            return await replay(log, day, history=await with_sealed_days(directory, log))

    result = asyncio.run(run())
    if as_json:
        print_json(result)
    else:
        _show(result)
    # A day of which nothing was recorded proves nothing.
    return 0 if result.differences == 0 and result.frames > 0 else 1


async def replay(
    log: JetStreamLog, day: TradingDate, *, history: Log | None = None
) -> ReplayResult:
    """Decode a day's recorded frames again and compare with its market events.

    ``history`` is where the events are read from if not from the log's stream alone.

    Raises:
        RawBlockUnreadable: a block of another version.
        LogUnavailable: the server does not answer.
    """
    reader = RawReader(log)
    instants = _instants(day)
    first, last = await reader.size()
    with Progress(
        TextColumn("frames"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(),
        transient=True,
    ) as bar:
        task = bar.add_task("frames", total=max(last - first + 1, 1))
        frames = _Frames(
            reader, instants, lambda block: bar.update(task, completed=block - first + 1)
        )
        comparison = await side_by_side(
            frames.derived(), _logged(history or log, instants), began=lambda: frames.began
        )
    return ReplayResult(
        date=day,
        frames=frames.frames,
        notices=frames.notices,
        unreadable=frames.unreadable,
        sources=dict(sorted(frames.sources.items())),
        matched=comparison.matched,
        missing=comparison.counts["missing"],
        extra=comparison.counts["extra"],
        changed=comparison.counts["changed"],
        unrecorded=comparison.unrecorded,
        first=tuple(comparison.first),
    )


async def _logged(log: Log, day: range) -> AsyncIterator[Logged]:
    """Yield the market events of a day that come from frames, as the log has them now."""
    head = (await log.info()).last_sequence
    silent = 0
    async with log.read(topics=_TOPICS) as reader:
        while reader.pending and silent < _SILENCES:
            batch = await reader.batch(_WAIT)
            silent = 0 if batch else silent + 1
            for recorded in batch:
                if recorded.sequence > head:
                    return
                event = codec.decode(recorded.payload)
                if isinstance(event, MarketRecord) and event.at in day:
                    yield Logged(event, recorded.sequence)


def _instants(day: TradingDate) -> range:
    """Return the instants (ns UTC) of a KST date."""
    begin = instant(datetime.date.fromisoformat(day), datetime.time())
    return range(begin, begin + _DAY)


def _show(result: ReplayResult) -> None:
    out = console()
    table = Table("", "", title=f"{result.date}", show_header=False)
    for name in ("frames", "notices", "unreadable", "matched", "missing", "extra", "changed"):
        table.add_row(name, f"{getattr(result, name):,}")
    table.add_row("on the log before the recording", f"{result.unrecorded:,}")
    out.print(table)
    if result.differences:
        out.print(f"[red]{result.differences:,} differences, the first:[/]")
        for difference in result.first:
            out.print(
                f"  {difference.kind} at log {difference.sequence}, block {difference.block}."
                f"{difference.place}\n    derived {difference.derived or 'nothing'}\n    "
                f"logged  {difference.logged or 'nothing'}\n    frame   {difference.frame}",
                markup=False,
            )
    elif result.frames == 0:
        out.print("[red]no frames of that day are recorded, so nothing was proved[/]")
    else:
        out.print(f"[green]{result.matched:,} market events derived again as logged[/]")


def _unmasked(text: str) -> str:
    """Return a recorded notice with accounts that can be read in place of masked ones."""
    head, separator, payload = text.rpartition("|")
    fields = payload.split("^")
    marked = [place for place, field in enumerate(fields) if field == _MASKED]
    # Each record begins with the login and the account, both masked, one behind the other.
    for place in marked:
        if place - _ACCOUNT_COLUMN in marked:
            fields[place] = _NOBODY
    return f"{head}{separator}{'^'.join(fields)}"
