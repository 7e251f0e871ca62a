"""Does a backtest look into its own future? Change the future and see whether the past moves.

Everything after an instant is scrambled in a copy of the data set itself, bars and daily tables
alike, so that a leak shows wherever it is: in a strategy that reads files, in a universe chosen
with the day's turnover, in a baseline that includes today. Then the same backtest runs on both. Up
to the instant every derived event must be the same, byte for byte; the first that is not is the
finding. A check that finds nothing proves nothing about other instants and days: take several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from events import Event, codec
from events.calendar import kst
from research.backtest.engine import run
from research.backtest.errors import InvalidSettings
from research.backtest.scrambling import scrambled_copy
from research.backtest.settings import BacktestSettings, Source

_SHOWN: Final = 400
"""Characters of an event that a finding quotes."""


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing that a changed future changed in the past.

    ``cut`` is the instant after which the data differ (ns UTC). ``before`` and ``after`` are the
    event as derived from the data and from the changed data, empty where there is none.
    """

    cut: int
    at: int
    before: str
    after: str

    def __str__(self) -> str:
        return (
            f"data after {kst(self.cut):%Y-%m-%d %H:%M:%S} KST changed what was decided at "
            f"{kst(self.at):%Y-%m-%d %H:%M:%S}: {self.before or 'nothing'} became "
            f"{self.after or 'nothing'}"
        )


class LookAhead(msgspec.Struct, frozen=True, kw_only=True):
    """What the check compared: ``events`` before any cut, in ``runs`` of changed data."""

    leaks: tuple[Leak, ...]
    events: int
    runs: int

    @property
    def clean(self) -> bool:
        """Whether nothing moved; without an event to compare nothing was checked."""
        return not self.leaks and self.events > 0


def check_look_ahead(
    settings: BacktestSettings,
    cuts: Sequence[datetime],
    *,
    seed: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LookAhead:
    """Run a backtest once on its data and once for each cut on data changed after it.

    ``cuts`` are instants with a time zone inside sessions of the backtest. Wherever the settings
    name the data folder, the changed copy takes its place.

    Raises:
        InvalidSettings: the data are not a folder of bars, or a cut has no time zone.
        BacktestError: the backtest cannot be run.
    """
    data = settings.data
    if data.source not in (Source.BARS, Source.TICKS):
        raise InvalidSettings("data.source", f"{data.source} cannot be changed: use bars or ticks")
    if not cuts or any(cut.tzinfo is None for cut in cuts):
        raise InvalidSettings("cuts", "give at least one, each with its time zone")
    leaks: list[Leak] = []
    compared = 0
    for done, cut in enumerate(sorted(cuts)):
        instant = int(cut.timestamp()) * 1_000_000_000
        upto = _until(settings, cut.date())
        with TemporaryDirectory(prefix="kst-look-ahead-") as folder:
            copy = scrambled_copy(Path(data.path), Path(folder) / "data", instant, seed=seed + done)
            honest = _events(upto, instant)
            changed = _events(_moved(upto, data.path, str(copy)), instant)
        compared += len(honest)
        leak = _first_difference(honest, changed, instant)
        if leak is not None:
            leaks.append(leak)
        on_progress(done + 1, len(cuts))
    return LookAhead(leaks=tuple(leaks), events=compared, runs=len(cuts))


def _until(settings: BacktestSettings, last: date) -> BacktestSettings:
    data = msgspec.structs.replace(settings.data, end=last.isoformat())
    return msgspec.structs.replace(settings, data=data)


def _moved(settings: BacktestSettings, path: str, to: str) -> BacktestSettings:
    """Return the settings with another data folder, wherever they name it or what is in it."""
    source = Path(path).resolve()

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {key: moved(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [moved(each) for each in value]
        if not isinstance(value, str) or not value.startswith("/"):
            return value
        place = Path(value).resolve()
        if not place.is_relative_to(source):
            return value
        return str(Path(to) / place.relative_to(source))

    plain = msgspec.to_builtins(settings)
    return msgspec.convert(moved(plain), BacktestSettings, strict=False)


def _events(settings: BacktestSettings, until: int) -> list[tuple[int, bytes]]:
    """Return (at, sequence and bytes) of every event that a run derives up to an instant."""
    found: list[tuple[int, bytes]] = []

    def take(sequence: int, event: Event) -> None:
        if event.at <= until:
            found.append((event.at, b"%d " % sequence + codec.encode(event)))

    run(settings, observers=(take,))
    return found


def _first_difference(
    honest: Sequence[tuple[int, bytes]], changed: Sequence[tuple[int, bytes]], cut: int
) -> Leak | None:
    nothing: Any = (0, b"")
    for place in range(max(len(honest), len(changed))):
        before = honest[place] if place < len(honest) else nothing
        after = changed[place] if place < len(changed) else nothing
        if before != after:
            return Leak(
                cut=cut,
                at=before[0] or after[0],
                before=before[1].decode()[:_SHOWN],
                after=after[1].decode()[:_SHOWN],
            )
    return None
