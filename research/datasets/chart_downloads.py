"""Reads saved answers of the KIS minute charts.

A file holds one answer as it came (JSON with ``output2``), a list of answers, or one a line: the
pages of a day, in any order. What is known of these answers and kept in mind: rows come newest
first; a time that lay ahead was answered with the last price and no new turnover; the newest row
may still carry the volume of the minute before it; the accumulated value tells each minute's own.
The call names no issue, so the file's name begins with its code, or it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from events.calendar import is_session, kst, session
from kis_gateway.client.answer import UNREADABLE, rows
from kis_gateway.client.charts import stamp
from kis_gateway.errors import GatewayError
from research.datasets.bar_folder import content_digest
from research.datasets.errors import UnusableData
from research.datasets.incoming import SEOUL, Download

_CALL: Final = "inquire-time-itemchartprice"
_MINUTE: Final = 60_000_000_000
_ANSWERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[dict[str, msgspec.Raw]])
_SCHEMA: Final = ("symbol", "time", "open", "high", "low", "close", "volume", "value")

Row = tuple[int, int, int, int, int, int, int]
"""Start (ns UTC), open, high, low, close, volume, value of the day so far."""


def read_charts(path: Path, *, symbol: str = "", taken: int | None = None) -> Download:
    """Return the minute bars in a file of saved answers.

    A minute's value is what the day's value grew by; 0 where the minute before is not in the file
    and it is not the day's first. Rows without turnover of their own are left out and noted.

    Raises:
        UnusableData: the file holds no such answers, or names no issue.
    """
    code = symbol or path.stem[:6]
    if len(code) != 6 or not code.isalnum():
        raise UnusableData(path, "its name does not begin with a symbol: give it with --symbol")
    found: dict[int, Row] = {}
    for row in _rows(path):
        known = found.get(row[0])
        if known is None or known[-1] <= row[-1]:
            found[row[0]] = row
    bars, repeated = _bars([found[start] for start in sorted(found)])
    frame = pl.DataFrame(
        [(code, *bar) for bar in bars],
        schema={name: pl.String if name == "symbol" else pl.Int64 for name in _SCHEMA},
        orient="row",
    ).with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(SEOUL))
    note = f"{repeated:,} bars that repeat the minute before left out"
    return Download(
        origin=path.name,
        digest=content_digest(path),
        frame=frame,
        modified=path.stat().st_mtime_ns,
        taken=taken,
        notes=(note,) if repeated else (),
    )


def _bars(rows: list[Row]) -> tuple[list[Row], int]:
    """Return rows with each minute's own value, and how many had no turnover of their own."""
    kept, repeated = [], 0
    day, before = "", 0
    for start, *figures, total in rows:
        today = f"{kst(start):%Y%m%d}"
        own = 0
        if today == day:
            own = max(0, total - before)
            if not own and total:
                repeated += 1
                continue
        elif is_session(kst(start).date()) and start == session(kst(start).date()).open_at:
            own = total
        day, before = today, total
        first, high, low, last, volume = figures
        kept.append((start, first, high, low, last, volume, own))
    return kept, repeated


def _rows(path: Path) -> Iterator[Row]:
    try:
        for answer in _answers(path):
            if "output2" not in answer:
                raise UnusableData(path, "an answer in it has no output2: is it a minute chart?")
            for row in rows(_CALL, "output2", answer["output2"]):
                yield (
                    stamp(row, "stck_bsop_date", "stck_cntg_hour") // _MINUTE * _MINUTE,
                    row.number("stck_oprc"),
                    row.number("stck_hgpr"),
                    row.number("stck_lwpr"),
                    row.number("stck_prpr"),
                    row.number("cntg_vol"),
                    row.number("acml_tr_pbmn"),
                )
    except GatewayError as error:
        raise UnusableData(path, str(error)) from error


def _answers(path: Path) -> Iterator[dict[str, msgspec.Raw]]:
    try:
        text = path.read_bytes()
        pieces = text.splitlines() if path.suffix == ".jsonl" else [text]
        for piece in pieces:
            if piece.strip():
                decoded = _ANSWERS.decode(piece)
                yield from decoded if isinstance(decoded, list) else [decoded]
    except OSError as error:
        raise UnusableData(path, f"it cannot be read: {error}") from error
    except UNREADABLE as error:
        raise UnusableData(path, f"it is no JSON of answers: {error}") from error
