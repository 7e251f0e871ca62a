"""What decoding real-time frames costs, beside the ways of the official samples, in one run.

    python -m tests.bench.bench_frames

The same frames for all: trades of 47 columns, 1 to 20 to a frame, and books of 63 columns, of 40
symbols on a random walk. Ours goes from the bytes of the socket to checked, typed records. The
others stop earlier: the official helper at a table of text (pandas), the plain sample at a
dictionary of text; "dictionary, numbers read" is the plain sample with its numbers made numbers,
which a program needs before it can compare a price.

pandas is no dependency of the project: that row runs in an environment of its own, made by uv.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from kis_gateway.frames import QUOTES, TRADES, FrameDecoder
from kis_gateway.protocol import Era, Kind, feed_form

RECEIVED: Final = 1_789_434_001_123_456_789  # 2026-09-15 10:00:01 KST
DAY: Final = "20260915"
SYMBOLS: Final = tuple(f"{number:06d}" for number in range(5_930, 9_930, 100))
FRAMES: Final = 6_000
PANDAS_FRAMES: Final = 1_000
ROUNDS: Final = 7
COLUMNS: Final = {
    tr_id: [field.name for field in feed_form(tr_id).columns_in(Era.C)]
    for tr_id in (TRADES, QUOTES)
}
NUMBERS: Final = {
    tr_id: [
        (field.name, int if field.kind is Kind.INT else float)
        for field in feed_form(tr_id).columns_in(Era.C)
        if field.kind in (Kind.INT, Kind.DECIMAL)
    ]
    for tr_id in (TRADES, QUOTES)
}

Decode = Callable[[bytes], object]


class Cost(NamedTuple):
    """Seconds for a number of records."""

    seconds: float
    records: int

    @property
    def microseconds(self) -> float:
        """Microseconds of one record."""
        return self.seconds / self.records * 1e6


class _Issue:
    """One symbol on a random walk, as the feed would show it."""

    def __init__(self, code: str, random_numbers: random.Random) -> None:
        self._code = code
        self._random = random_numbers
        self._price = 500 * random_numbers.randrange(100, 400)
        self._volume = random_numbers.randrange(10_000, 1_000_000)
        self._depth = [random_numbers.randrange(1, 30_000) for _ in range(20)]

    def trades(self, clock: str, count: int) -> str:
        return "^".join(self._trade(clock) for _ in range(count))

    def _trade(self, clock: str) -> str:
        draw = self._random
        if draw.random() < 0.2:
            self._price += 500 * draw.choice((-1, 1))
        quantity = draw.choice((1, 2, 5, 10, 37, 100, draw.randrange(1, 3_000)))
        self._volume += quantity
        price = self._price
        return (
            f"{self._code}^{clock}^{price}^2^500^0.70^{price - 68}.18^{price - 300}^{price + 100}"
            f"^{price - 400}^{price + 500}^{price}^{quantity}^{self._volume}^{self._volume * price}"
            f"^8123^9045^922^111.34^560112^644406^{draw.choice('15')}^0.53^41.20^090012^2^300"
            f"^091722^5^-100^090233^2^400^{DAY}^20^N^12034^8820^180233^201188^0.02^2923810^41.20"
            f"^0^^{price - 300}^2"
        )

    def book(self, clock: str) -> str:
        draw = self._random
        if draw.random() < 0.2:
            self._price += 500 * draw.choice((-1, 1))
            self._depth = [draw.randrange(1, 30_000) for _ in range(20)]
        for _ in range(draw.randrange(1, 4)):
            self._depth[draw.randrange(20)] = draw.randrange(1, 30_000)
        price = self._price
        columns: list[object] = [self._code, clock, "0"]
        columns += [price + 500 * level for level in range(1, 11)]
        columns += [price - 500 * level for level in range(10)]
        columns += self._depth
        columns += [sum(self._depth[:10]), sum(self._depth[10:]), 0, 0, price, 77, 77, -1500, 5]
        columns += ["-0.65", 912_345, -3, 5, 0, 0, "", price, 0, 0, 2]
        return "^".join(map(str, columns))


def make_frames(seed: int = 7) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return frames of one trade, of several trades, and of books, as the socket gives them."""
    draw = random.Random(seed)
    issues = [_Issue(code, draw) for code in SYMBOLS]
    single: list[bytes] = []
    several: list[bytes] = []
    books: list[bytes] = []
    for number in range(FRAMES):
        clock = f"10{number // 3000:02d}{number // 50 % 60:02d}"
        issue = draw.choice(issues)
        if draw.random() < 0.5:
            books.append(f"0|{QUOTES}|001|{issue.book(clock)}".encode())
            continue
        count = min(20, 1 + int(draw.expovariate(0.4)))
        text = f"0|{TRADES}|{count:03d}|{issue.trades(clock, count)}".encode()
        (single if count == 1 else several).append(text)
    return single, several, books


def cost(frames: list[bytes], decode: Decode) -> Cost:
    """Time one way of decoding: processor time, best of several rounds, as others run as well."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for frame in frames:
            decode(frame)
        best = min(best, time.process_time() - begun)
    return Cost(best, sum(int(frame[11:14]) for frame in frames))


def ours() -> Decode:
    """Return the product's own way."""
    decode = FrameDecoder("1234567801").decode
    return lambda frame: decode(frame.decode("utf-8", "replace"), RECEIVED)


def dictionary(frame: bytes) -> list[dict[str, str]]:
    """Read a frame as the plain samples do: split, and name every text."""
    _, tr_id, count, payload = frame.decode().split("|", 3)
    columns = COLUMNS[tr_id]
    fields = payload.split("^")
    width = len(columns)
    return [
        dict(zip(columns, fields[start : start + width], strict=True))
        for start in range(0, int(count) * width, width)
    ]


def dictionary_of_numbers(frame: bytes) -> list[dict[str, object]]:
    """Read a frame as the plain samples do and make its numbers numbers."""
    numbers = NUMBERS[frame[2:10].decode()]
    found: list[dict[str, object]] = []
    for record in dictionary(frame):
        typed: dict[str, object] = {**record}
        for name, kind in numbers:
            typed[name] = kind(record[name] or 0)
        found.append(typed)
    return found


def with_pandas(frames: list[bytes]) -> tuple[Cost, str] | str:
    """Time the official helper's way where pandas is; a text says why there is none."""
    uv = shutil.which("uv")
    if uv is None:
        return "uv is not installed"
    chosen = frames[:PANDAS_FRAMES]
    command = [uv, "run", "--quiet", "--no-project", "--python", sys.executable]
    command += ["--with", "pandas", "python", str(Path(__file__).with_name("pandas_frames.py"))]
    result = subprocess.run(
        command,
        input=json.dumps([COLUMNS, [frame.decode() for frame in chosen]]),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        return f"no environment with pandas: {result.stderr.strip()[-200:]}"
    found = json.loads(result.stdout)
    return Cost(found["seconds"], found["records"]), found["pandas"]


def main() -> None:
    """Print one table."""
    single, several, books = make_frames()
    mix = [frame for group in zip(single, several, books, strict=False) for frame in group]
    groups = {
        "one trade": single,
        f"{sum(int(f[11:14]) for f in several) / len(several):.1f} trades": several,
        "book": books,
        "mix": mix,
    }
    table = Table(
        title="Decoding real-time frames: µs per record, and how many times as long as ours",
        caption="Processor time, best of several rounds. Ours ends at checked, typed records; the "
        "dictionaries and the table hold text.",
    )
    for heading in ("way", *groups):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    base = {name: cost(frames, ours()) for name, frames in groups.items()}
    table.add_row("ours: typed records", *(f"{base[name].microseconds:.2f}" for name in groups))
    for title, decode in (
        ("plain sample: dictionary of text", dictionary),
        ("plain sample: dictionary, numbers read", dictionary_of_numbers),
    ):
        cells = []
        for name, frames in groups.items():
            found = cost(frames, decode).microseconds
            cells.append(f"{found:.2f}  {found / base[name].microseconds:4.1f} ×")
        table.add_row(title, *cells)
    cells = []
    version = ""
    for name, frames in groups.items():
        measured = with_pandas(frames)
        if isinstance(measured, str):
            cells.append(measured)
            continue
        found = measured[0].microseconds
        version = f" {measured[1]}"
        cells.append(f"{found:.1f}  {found / base[name].microseconds:.0f} ×")
    table.add_row(f"official helper: pandas{version}, table of text", *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
