"""The test bench's door into a simulator, on a port of its own and off unless asked for.

``GET  /admin/state``        everything the exchange and the server know, undelayed
``GET  /admin/connections``  WebSocket connections with their registrations
``POST /admin/fault``        cause a fault (JSON, see ``faults``), answered with its number
``POST /admin/fault/end``    end a fault that lasts or waits, by its number
``POST /admin/scenario``     play a scenario (YAML or JSON, see ``scenario``); ``DELETE`` stops it
``POST /admin/book``         set cash and holdings of an account
``POST /admin/account``      open another account with credentials
``POST /admin/order``        an order by hand, as from the broker's own screen
``POST /admin/clock``        speed, or a standstill with speed 0, where the clock can be set

KIS has none of this. A request that cannot be carried out is answered with 400 and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from bus import SharedTime, TimeSource
from events import Symbol
from events.trading import Side
from kis_gateway.errors import SettingsError
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.admin_state import AdminState, Counters, SimulatorSummary
from kis_gateway.simulator.exchange.messages import SetBook
from kis_gateway.simulator.settings import Credentials, OpeningBook, OpeningHolding
from kis_gateway.simulator.trouble.director import Director
from kis_gateway.simulator.trouble.fault_control import FaultControl
from kis_gateway.simulator.trouble.faults import Fault
from kis_gateway.simulator.trouble.scenario import read_scenario
from kis_gateway.simulator.venue import OrderRefused, Ticket, Venue
from kis_gateway.simulator.wire_formats import ORDER_TYPES

__all__ = ["Admin", "Counters", "SimulatorSummary"]

_LIMIT: Final = "00"
_MARKET: Final = "01"


class BookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account owns from now on: cash in won (left alone when absent), holdings named."""

    account: str
    cash: int | None = None
    holdings: tuple[OpeningHolding, ...] = ()


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account that opens while the day runs."""

    credentials: Credentials
    cash: int = 0
    holdings: tuple[OpeningHolding, ...] = ()


class HandOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order by hand; without a price a market order."""

    account: str
    symbol: Symbol
    side: Side
    quantity: int
    price: int | None = None


class FaultEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which fault is to end."""

    number: int


class ClockChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Simulated seconds per second; 0 holds the time still."""

    speed: float


class Admin:
    """Answers the test bench of one simulator."""

    def __init__(
        self,
        *,
        venue: Venue,
        access: Access,
        state: AdminState,
        control: FaultControl,
        director: Director,
        time: TimeSource,
    ) -> None:
        self._venue = venue
        self._access = access
        self._state = state
        self._control = control
        self._director = director
        self._time = time
        self._routes: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/admin/state"): lambda _: state.state(),
            ("GET", "/admin/connections"): lambda _: state.connections(),
            ("GET", "/admin/scenario"): lambda _: state.scenario(),
            ("POST", "/admin/fault"): self._fault,
            ("POST", "/admin/fault/end"): self._end,
            ("POST", "/admin/scenario"): self._start_scenario,
            ("DELETE", "/admin/scenario"): self._stop_scenario,
            ("POST", "/admin/book"): self._set_book,
            ("POST", "/admin/account"): self._open_account,
            ("POST", "/admin/order"): self._order,
            ("POST", "/admin/clock"): self._set_clock,
        }

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer one request of the test bench."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            known = ", ".join(f"{method} {path}" for method, path in self._routes)
            return _json(404, {"error": f"no such request; there are {known}"})
        try:
            return _json(200, route(await request.read()))
        except (msgspec.DecodeError, SettingsError) as error:
            return _json(400, {"error": str(error)})
        except OrderRefused as refusal:
            return _json(400, {"error": str(refusal)})

    def cause(self, fault: Fault) -> None:
        """Trigger a fault that happens at once, arm one that waits."""
        self._control.cause(fault)

    def summary(self) -> SimulatorSummary:
        """Return the run in numbers."""
        return self._state.summary()

    def _fault(self, body: bytes) -> object:
        entry = self._control.cause(msgspec.json.decode(body, type=Fault))
        return {"number": entry.number, "armed": self._venue.distribution.faults.left}

    def _end(self, body: bytes) -> object:
        number = msgspec.json.decode(body, type=FaultEnd).number
        if not 1 <= number <= len(self._venue.distribution.faults.caused):
            raise SettingsError(f"there is no fault number {number}")
        self._control.end(number)
        return {"armed": self._venue.distribution.faults.left}

    def _start_scenario(self, body: bytes) -> object:
        self._director.start(read_scenario(body))
        return self._state.scenario()

    def _stop_scenario(self, _: bytes) -> object:
        self._director.stop()
        return self._state.scenario()

    def _set_book(self, body: bytes) -> object:
        change = msgspec.json.decode(body, type=BookChange)
        if change.account not in self._venue.opening:
            raise SettingsError(f"there is no account {change.account}")
        self._require_listed(change.holdings)
        self._venue.drive(
            [
                SetBook(
                    at=self._venue.now(),
                    account=change.account,
                    cash=change.cash,
                    holdings=tuple((h.symbol, h.quantity, h.cost) for h in change.holdings),
                )
            ]
        )
        return self._state.account(change.account)

    def _open_account(self, body: bytes) -> object:
        new = msgspec.json.decode(body, type=NewAccount)
        held = new.credentials
        if held.account in self._venue.opening:
            raise SettingsError(f"account {held.account} is open; every account has one app key")
        self._require_listed(new.holdings)
        self._access.add(held)
        self._venue.open_account(
            OpeningBook(account=held.account, cash=new.cash, holdings=new.holdings)
        )
        self._venue.distribution.notices.hts_ids[held.account] = held.hts_id
        return self._state.account(held.account)

    def _order(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=HandOrder)
        if order.account not in self._venue.opening:
            raise SettingsError(f"there is no account {order.account}")
        if order.symbol not in self._venue.listings:
            raise SettingsError(f"{order.symbol} is not listed in this market")
        order_type = ORDER_TYPES[_MARKET if order.price is None else _LIMIT]
        record = self._venue.place(
            Ticket(order.account, order.symbol, order.side, order_type, order.quantity, order.price)
        )
        return {"order_number": record.number}

    def _set_clock(self, body: bytes) -> object:
        change = msgspec.json.decode(body, type=ClockChange)
        if not isinstance(self._time, SharedTime) or change.speed < 0:
            raise SettingsError(
                f"speed {change.speed}: this run's clock cannot be set so; give 0 or more and run "
                "the simulator on a shared clock (`kst simulator` does)"
            )
        self._time.set_rate(change.speed)
        return {"speed": self._time.rate, "now": self._time.now()}

    def _require_listed(self, holdings: tuple[OpeningHolding, ...]) -> None:
        for held in holdings:
            if held.symbol not in self._venue.listings:
                raise SettingsError(f"{held.symbol} is not listed in this market")


def _json(status: int, body: object) -> Response:
    return Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
