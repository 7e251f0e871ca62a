"""``kst adopt``: say whose the shares are that no order explains, or whose shares are missing.

Drift is never repaired by itself: the difference between what the broker shows and what the
strategies own belongs to ``_UNKNOWN_`` and its symbol takes no entries, until a person says here
whom it belongs to. The next reconciliation then finds that broker and books agree and lifts the
freeze. What always holds: an adoption never lowers the stop of shares that a strategy has already.
"""

from __future__ import annotations

import asyncio
import time as wall
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from deploy.controls.desk import Desk, Issued, open_desk, person, stated
from deploy.controls.in_force import InForce
from deploy.controls.showing import show_issued
from deploy.errors import (
    NothingToAdopt,
    OwnerNeeded,
    StopLowered,
    StopMisplaced,
    StopNeeded,
    SymbolNeeded,
    TooFewShares,
    UnknownOwner,
)
from deploy.event_text import won
from deploy.terminal import console, print_json
from events import EXTERNAL, UNKNOWN, StrategyId, Symbol
from events.control import SharesReallocated

_EXTERNAL_WORD: Final = "EXTERNAL"
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


class Drifts(msgspec.Struct, frozen=True, kw_only=True):
    """Every symbol that does not add up."""

    drifts: tuple[Drift, ...]


class AdoptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and whether the drift was seen to be over within the wait.

    ``remaining`` shares of the symbol still have no owner, or are still missing.
    """

    issued: Issued
    symbol: str
    source: str
    target: str
    quantity: int
    cost: int
    remaining: int
    cleared: bool


def adopt_command(request: AdoptRequest, *, as_json: bool) -> int:
    """List what does not add up, or give it an owner; 1 while the drift is still there.

    Raises:
        NothingToAdopt: the symbol has no unexplained or missing shares.
        UnknownOwner, OwnerNeeded: it is not said whose they are, or nobody of that name is here.
        StopNeeded, StopMisplaced: shares given to a strategy need a stop below their price.
        StopLowered: the strategy has shares of the symbol with a higher stop.
        TooFewShares: more than are unexplained, or than the owner has.
    """
    if request.symbol is None:
        if request.owner or request.quantity or request.stop or request.cost or request.reason:
            raise SymbolNeeded
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
        console().print(_ending(result))
    return 0 if result.cleared else 1


def _ending(result: AdoptResult) -> Text:
    if result.remaining:
        left = f"{result.remaining:,} shares of {result.symbol} still do not add up"
        return Text(f"{left}; the freeze holds", style="yellow")
    if result.cleared:
        return Text("broker and books agree again; the freeze is lifted", style="green")
    return Text("the next reconciliation lifts the freeze: kst adopt, kst status", style="yellow")


async def _list(request: AdoptRequest, *, as_json: bool) -> int:
    async with open_desk(request.data_dir) as desk:
        drifts = _drifts(await desk.in_force())
    if as_json:
        print_json(Drifts(drifts=drifts))
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
        here = frozenset(StrategyId(name.upper()) for name in desk.directory.manifest.strategies)
        event = reallocation(
            request, symbol, state, strategies=here, at=desk.now(), by=by, reason=reason
        )
        remaining = abs(state.owners.quantity(UNKNOWN, symbol)) - event.quantity
        issued = await desk.issue(event)
        return AdoptResult(
            issued=issued,
            symbol=symbol,
            source=event.source,
            target=event.target,
            quantity=event.quantity,
            cost=event.cost,
            remaining=remaining,
            cleared=not remaining and await _cleared(desk, symbol, issued, request.wait_s),
        )


def reallocation(
    request: AdoptRequest,
    symbol: Symbol,
    state: InForce,
    *,
    strategies: frozenset[StrategyId],
    at: int,
    by: str,
    reason: str,
) -> SharesReallocated:
    """Return the change of owners that a request comes to; ``strategies`` run here.

    Raises:
        CommandError: it comes to none, as ``adopt_command`` says.
    """
    unknown = state.owners.quantity(UNKNOWN, symbol)
    if unknown == 0:
        raise NothingToAdopt(symbol, tuple(state.owners.held_by(UNKNOWN)))
    owner = _owner(request, state, symbol, strategies)
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
        protective_stop=None if owner == EXTERNAL else _stop(request, state, owner, symbol),
    )


def _owner(
    request: AdoptRequest, state: InForce, symbol: Symbol, strategies: frozenset[StrategyId]
) -> StrategyId:
    """Return whom a request names; missing shares of a single owner are that owner's."""
    owners = [owner for owner in state.owned(symbol) if owner != UNKNOWN]
    if request.owner is not None:
        owner = StrategyId(request.owner.strip().upper())
        if owner in (EXTERNAL, _EXTERNAL_WORD):
            return EXTERNAL
        known = ({*strategies, *state.strategies, *owners}) - {UNKNOWN, EXTERNAL}
        if owner not in known:
            raise UnknownOwner(owner, sorted(known))
        return owner
    if state.owners.quantity(UNKNOWN, symbol) < 0:
        if len(owners) != 1:
            raise OwnerNeeded(symbol, f"owners are {', '.join(sorted(owners)) or 'none'}")
        return owners[0]
    if request.stop is not None:
        raise OwnerNeeded(symbol, "a stop is given, and only a strategy's shares have one")
    return EXTERNAL


def _stop(request: AdoptRequest, state: InForce, owner: StrategyId, symbol: Symbol) -> int | None:
    """Return the stop that all shares of the owner have from here on, ``None``: the present one."""
    held = state.owners.quantity(owner, symbol) > 0
    present = state.stop(owner, symbol) if held else None
    if request.stop is None:
        if present is None:
            raise StopNeeded(symbol)
        return None
    if present is not None and request.stop < present:
        raise StopLowered(owner, symbol, request.stop, present)
    holding = state.holdings.get(symbol)
    price = holding.last_price if holding is not None else 0
    if request.stop < 1 or (price and request.stop >= price):
        raise StopMisplaced(symbol, request.stop, price)
    return request.stop


async def _cleared(desk: Desk, symbol: Symbol, issued: Issued, wait_s: float) -> bool:
    """Return whether a reconciliation after the command found that nothing is left over."""
    begun = wall.monotonic()
    while True:
        if (await desk.in_force()).cleared_at.get(symbol, 0) > issued.sequence:
            return True
        if wall.monotonic() - begun >= wait_s:
            return False
        await asyncio.sleep(_LOOK_EVERY)
