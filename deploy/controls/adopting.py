"""``kst adopt``: say whose the shares are that no order explains, or whose shares are missing.

Drift is never repaired by itself: the difference between what the broker shows and what the
strategies own belongs to ``_UNKNOWN_`` and its symbol takes no entries, until a person says here
whom it belongs to. The next reconciliation then finds that broker and books agree and lifts the
freeze.
"""

from __future__ import annotations

import asyncio
import time as wall
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from deploy.controls.desk import Desk, InForce, Issued, open_desk, person, stated
from deploy.controls.showing import show_issued
from deploy.errors import NothingToAdopt, StopMisplaced, StopNeeded, TooFewShares
from deploy.event_text import won
from deploy.terminal import console, print_json
from events import EXTERNAL, UNKNOWN, StrategyId, Symbol
from events.control import SharesReallocated

_EXTERNAL_WORD: Final = "external"
_LOOK_EVERY: Final = 0.1


class AdoptRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. Without ``symbol`` what there is to adopt is listed.

    ``owner`` is a strategy or ``external``. ``cost`` is won in total.
    """

    symbol: str | None
    owner: str | None
    quantity: int | None
    stop: int | None
    cost: int | None
    reason: str
    by: str | None
    data_dir: Path | None
    wait_s: float


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one symbol that do not add up; ``unknown`` is negative when shares are missing."""

    symbol: str
    broker: int
    owners: dict[str, int]
    unknown: int
    mean_price: int | None


class AdoptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and whether the drift was seen to be over within the wait."""

    issued: Issued
    symbol: str
    source: str
    target: str
    quantity: int
    cost: int
    cleared: bool


def adopt_command(request: AdoptRequest, *, as_json: bool) -> int:
    """List what does not add up, or give it an owner; 1 while the drift is still there.

    Raises:
        NothingToAdopt: the symbol has no unexplained or missing shares.
        StopNeeded, StopMisplaced: shares given to a strategy need a stop below their price.
        TooFewShares: more than are unexplained, or than the owner has.
    """
    if request.symbol is None:
        return asyncio.run(_list(request, as_json=as_json))
    result = asyncio.run(_adopt(request, Symbol(request.symbol.upper())))
    if as_json:
        print_json(result)
    else:
        show_issued(result.issued)
        console().print(
            Text(
                f"{result.quantity:,} shares of {result.symbol}: {result.source} to "
                f"{result.target}, at a cost of {won(result.cost)}"
            )
        )
        console().print(
            Text("broker and books agree again; the freeze is lifted", style="green")
            if result.cleared
            else Text("the drift is still there; the next reconciliation tells", style="yellow")
        )
    return 0 if result.cleared else 1


async def _list(request: AdoptRequest, *, as_json: bool) -> int:
    async with open_desk(request.data_dir) as desk:
        drifts = _drifts(await desk.in_force())
    if as_json:
        print_json(drifts)
        return 1 if drifts else 0
    out = console()
    if not drifts:
        out.print("[green]broker and books agree in every symbol[/]")
        return 0
    table = Table("symbol", "broker", "unexplained", "owners", "mean price")
    for drift in drifts:
        owners = ", ".join(f"{owner} {shares:,}" for owner, shares in drift.owners.items())
        mean = "" if drift.mean_price is None else f"{drift.mean_price:,}"
        table.add_row(drift.symbol, f"{drift.broker:,}", f"{drift.unknown:+,}", owners, mean)
    out.print(table)
    out.print(
        Text(
            "kst adopt SYMBOL --owner STRATEGY --stop WON --reason … | --owner external …",
            style="dim",
        )
    )
    return 1


def _drifts(state: InForce) -> tuple[Drift, ...]:
    found = []
    for symbol in sorted({*state.drifts, *state.owners.held_by(UNKNOWN)}):
        owners = state.owned(symbol)
        found.append(
            Drift(
                symbol=symbol,
                broker=state.owners.broker_quantity(symbol),
                owners={str(owner): shares for owner, shares in owners.items()},
                unknown=owners.get(UNKNOWN, 0),
                mean_price=_mean_price(state, symbol),
            )
        )
    return tuple(found)


def _mean_price(state: InForce, symbol: Symbol) -> int | None:
    holding = state.holdings.get(symbol)
    return holding.cost // holding.quantity if holding is not None and holding.quantity else None


async def _adopt(request: AdoptRequest, symbol: Symbol) -> AdoptResult:
    reason, by = stated(request.reason), person(request.by)
    async with open_desk(request.data_dir) as desk:
        state = await desk.in_force()
        event = _reallocation(request, symbol, state, at=desk.now(), by=by, reason=reason)
        issued = await desk.issue(event)
        return AdoptResult(
            issued=issued,
            symbol=symbol,
            source=event.source,
            target=event.target,
            quantity=event.quantity,
            cost=event.cost,
            cleared=await _cleared(desk, symbol, request.wait_s),
        )


def _reallocation(
    request: AdoptRequest, symbol: Symbol, state: InForce, *, at: int, by: str, reason: str
) -> SharesReallocated:
    """Return the change of owners that a request comes to."""
    unknown = state.owners.quantity(UNKNOWN, symbol)
    if unknown == 0:
        raise NothingToAdopt(symbol, tuple(state.owners.held_by(UNKNOWN)))
    owner = _owner(request.owner, state, symbol, unknown)
    quantity = abs(unknown) if request.quantity is None else request.quantity
    if not 1 <= quantity <= abs(unknown):
        raise TooFewShares(symbol, quantity, abs(unknown), "are unexplained")
    if unknown < 0:
        owned = state.owners.quantity(owner, symbol)
        if owned < quantity:
            raise TooFewShares(symbol, quantity, owned, f"are owned by {owner}")
        return SharesReallocated(
            at=at,
            issued_by=by,
            reason=reason,
            symbol=symbol,
            source=owner,
            target=UNKNOWN,
            quantity=quantity,
            cost=0,
        )
    cost = request.cost
    if cost is None:
        cost = quantity * (_mean_price(state, symbol) or 0)
    return SharesReallocated(
        at=at,
        issued_by=by,
        reason=reason,
        symbol=symbol,
        source=UNKNOWN,
        target=owner,
        quantity=quantity,
        cost=cost,
        protective_stop=None if owner == EXTERNAL else _stop(request, state, symbol),
    )


def _owner(text: str | None, state: InForce, symbol: Symbol, unknown: int) -> StrategyId:
    """Return whom a request names; missing shares of a single owner are that owner's."""
    if text is not None:
        word = text.strip()
        return EXTERNAL if word.lower() == _EXTERNAL_WORD else StrategyId(word.upper())
    owners = [owner for owner in state.owned(symbol) if owner != UNKNOWN]
    if unknown < 0 and len(owners) == 1:
        return owners[0]
    return EXTERNAL


def _stop(request: AdoptRequest, state: InForce, symbol: Symbol) -> int:
    if request.stop is None:
        raise StopNeeded(symbol)
    holding = state.holdings.get(symbol)
    price = holding.last_price if holding is not None else 0
    if request.stop < 1 or (price and request.stop >= price):
        raise StopMisplaced(symbol, request.stop, price)
    return request.stop


async def _cleared(desk: Desk, symbol: Symbol, wait_s: float) -> bool:
    begun = wall.monotonic()
    while True:
        if symbol not in (await desk.in_force()).drifts:
            return True
        if wall.monotonic() - begun >= wait_s:
            return False
        await asyncio.sleep(_LOOK_EVERY)
