"""What happens in a session beside trading: phases, levels of indices, program trading.

What always holds: a level or a flow follows from minutes that were over at its instant. Program
trading is made up as the simulated market does it (a twentieth of each minute's turnover with the
sign of its price change): plausible in size and without information beyond the bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

import numpy as np

from events.calendar import TradingSession
from events.market import IndexLevel, Phase, ProgramFlow
from events.prices import Board
from kis_gateway.simulator.exchange import EnterPhase, Listing
from research.datasets.index_levels import IndexPath
from research.datasets.session_bars import SessionBars
from research.datasets.tape_rows import Note

_MINUTE: Final = 60_000_000_000
_CLOSE_AFTER: Final = 30_000_000_000
_PROGRAM_PART: Final = 20


def surroundings(
    session: TradingSession,
    listings: Sequence[Listing],
    bars: SessionBars,
    paths: Mapping[str, IndexPath],
    index_step: int,
) -> tuple[Note, ...]:
    """Return phases, index levels every ``index_step`` ns and program flows, in order of time."""
    notes = [*_phases(session, bars), *_levels(session, paths, index_step)]
    for board in (Board.KOSPI, Board.KOSDAQ):
        notes += _program(session, listings, bars, board)
    return tuple(sorted(notes, key=attrgetter("at")))


def _phases(session: TradingSession, bars: SessionBars) -> list[Note]:
    # A closing match may print late: KRX ends its closing auction at a random moment, and an
    # interruption extends it.
    last = int(bars.start.max()) if len(bars.start) else session.close_at
    return [
        EnterPhase(at=session.auction_from, phase=Phase.OPENING_AUCTION),
        EnterPhase(at=session.open_at, phase=Phase.CONTINUOUS),
        EnterPhase(at=session.closing_auction_at, phase=Phase.CLOSING_AUCTION),
        EnterPhase(at=max(session.close_at, last) + _CLOSE_AFTER, phase=Phase.CLOSED),
    ]


def _levels(session: TradingSession, paths: Mapping[str, IndexPath], step: int) -> list[Note]:
    found: list[Note] = []
    levels = {index: path.levels.tolist() for index, path in paths.items()}
    for at in range(session.open_at + step, session.close_at + 1, step):
        minute = (at - session.open_at) // _MINUTE
        found += [
            IndexLevel(
                at=at,
                index=index,
                time=at,
                centipoints=levels[index][minute],
                previous_close_centipoints=path.previous_close,
            )
            for index, path in paths.items()
        ]
    return found


def _program(
    session: TradingSession, listings: Sequence[Listing], bars: SessionBars, board: Board
) -> list[Note]:
    minutes = (session.close_at - session.open_at) // _MINUTE
    ours = np.array([each.board is board for each in listings], np.bool_)[bars.issue]
    minute = (bars.start - session.open_at) // _MINUTE
    counted = ours & (minute >= 0) & (minute < minutes)
    sign = np.sign(bars.close - bars.open)
    flows = np.zeros(minutes, np.int64)
    np.add.at(flows, minute[counted], (sign * bars.volume * bars.close // _PROGRAM_PART)[counted])
    totals = np.cumsum(flows).tolist()
    ends = range(session.open_at + _MINUTE, session.close_at + 1, _MINUTE)
    market = board.value
    return [
        ProgramFlow(at=end, market=market, time=end, cumulative_net_value=total)
        for end, total in zip(ends, totals, strict=True)
    ]
