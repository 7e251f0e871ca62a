"""The test bench's view into a simulator, on a port of its own and off unless asked for.

``GET /admin/state`` answers everything the exchange and the server know, undelayed; ``POST
/admin/fault`` arms or triggers a fault (see ``faults``). KIS has neither.
"""

from __future__ import annotations

import msgspec
import structlog
from aiohttp.web import BaseRequest, Response, StreamResponse

from kis_gateway.simulator.drive import MarketDrive
from kis_gateway.simulator.faults import Fault, FaultBoard, FaultKind
from kis_gateway.simulator.ledger import OrderRecord
from kis_gateway.simulator.registrations import Registrations
from kis_gateway.simulator.rest import RestService
from kis_gateway.simulator.venue import Venue

_log = structlog.get_logger()


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What the server counted since its start. Seconds of ``send_wait`` are wall seconds."""

    orders_received: dict[str, int]
    duplicate_bodies: int
    rest_calls: int
    throttled_calls: int
    prints: int
    records_sent: int
    frames_sent: int
    behind_s: float
    most_behind_s: float
    send_wait_s: float
    ws_sessions: int
    ws_connections_opened: int


class SimulatorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers: order numbers given (amends and cancels included), executions, counters."""

    orders: int
    executions: int
    shares: int
    amount: int
    counters: Counters


class Admin:
    """State and faults of one simulator."""

    def __init__(
        self,
        venue: Venue,
        rest: RestService,
        registrations: Registrations,
        drive: MarketDrive,
        faults: FaultBoard,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._registrations = registrations
        self._drive = drive
        self._faults = faults

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer one request of the test bench."""
        if (request.method, request.path) == ("GET", "/admin/state"):
            return _json(200, self.state())
        if (request.method, request.path) == ("POST", "/admin/fault"):
            try:
                fault = msgspec.json.decode(await request.read(), type=Fault)
            except msgspec.DecodeError as error:
                return _json(400, {"error": f"not a fault: {error}"})
            self.cause(fault)
            return _json(200, {"armed": self._faults.left})
        return _json(404, {"error": "use GET /admin/state or POST /admin/fault"})

    def cause(self, fault: Fault) -> None:
        """Trigger a feed fault at once, arm a REST fault for the calls to come."""
        _log.info("simulator_fault", kind=str(fault.kind), count=fault.count, call=fault.call)
        if fault.kind is FaultKind.DISCONNECT:
            self._registrations.cut_all()
        elif fault.kind is FaultKind.STALL:
            self._venue.distribution.silence(fault.seconds)
        else:
            self._faults.arm(fault)

    def summary(self) -> SimulatorSummary:
        """Return the run in numbers."""
        executions = self._venue.orders.executions
        return SimulatorSummary(
            orders=len(self._venue.orders),
            executions=len(executions),
            shares=sum(done.quantity for done in executions),
            amount=sum(done.quantity * done.price for done in executions),
            counters=self._counters(),
        )

    def state(self) -> dict[str, object]:
        """Return everything known now, as plain data."""
        venue = self._venue
        accounts = {}
        for account in venue.opening:
            view = venue.exchange.account(account)
            accounts[account] = {
                "cash": view.cash,
                "available_cash": view.available_cash,
                "holdings": {
                    symbol: {
                        "quantity": held.quantity,
                        "sellable": held.sellable,
                        "cost": held.cost,
                    }
                    for symbol, held in view.holdings.items()
                },
            }
        return {
            "now": venue.now(),
            "environment": venue.settings.environment,
            "phase": venue.phase,
            "finished": self._drive.finished.is_set(),
            "orders": [_order(record) for record in venue.orders],
            "executions": list(venue.orders.executions),
            "accounts": accounts,
            "counters": self._counters(),
            "faults": self._faults.left,
        }

    def _counters(self) -> Counters:
        distribution = self._venue.distribution
        return Counters(
            orders_received=dict(self._rest.orders_received),
            duplicate_bodies=self._rest.duplicate_bodies,
            rest_calls=self._rest.calls,
            throttled_calls=self._rest.throttled,
            prints=self._venue.prints,
            records_sent=distribution.records_sent,
            frames_sent=distribution.frames_sent,
            behind_s=self._drive.behind_seconds,
            most_behind_s=self._drive.most_behind_seconds,
            send_wait_s=distribution.send_wait_seconds,
            ws_sessions=self._registrations.sessions,
            ws_connections_opened=self._registrations.opened,
        )


def _order(record: OrderRecord) -> dict[str, object]:
    status = record.status()
    return {
        "order_number": record.number,
        "account": record.account,
        "symbol": record.symbol,
        "side": record.side,
        "order_type": record.order_type.code,
        "action": record.action,
        "original": record.original,
        "quantity": record.quantity,
        "price": record.price,
        "at": record.at,
        "visible_at": record.visible_at,
        "filled": status.filled,
        "amount": status.amount,
        "withdrawn": status.withdrawn,
        "rejected": status.rejected,
        "remaining": status.remaining,
        "fills": [
            {
                "at": change.at,
                "quantity": change.filled,
                "price": change.price,
                "fee": change.fee,
                "tax": change.tax,
            }
            for change in record.changes
            if change.filled
        ],
    }


def _json(status: int, body: object) -> Response:
    return Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
