"""What the test bench is shown: the whole exchange, the connections, the faults and the losses."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kis_gateway.simulator.drive import MarketDrive
from kis_gateway.simulator.feeds.registrations import Registrations
from kis_gateway.simulator.ledger import OrderRecord
from kis_gateway.simulator.rest import RestService
from kis_gateway.simulator.trouble.director import Director
from kis_gateway.simulator.trouble.order_bodies import SeenBody
from kis_gateway.simulator.venue import Venue


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What the server counted since its start. Seconds of ``send_wait`` are wall seconds.

    ``duplicate_bodies`` counts order calls whose body had been received before, and
    ``repeated_orders`` names those bodies. ``records_lost`` and ``notices_lost`` were swallowed by
    faults. ``faults_struck`` counts those that happened at once and every match of the others.
    """

    orders_received: dict[str, int]
    duplicate_bodies: int
    repeated_orders: Sequence[SeenBody]
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
    records_lost: int
    notices_lost: int
    faults_struck: int


class SimulatorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers: order numbers given (amends and cancels included), executions, counters."""

    orders: int
    executions: int
    shares: int
    amount: int
    counters: Counters


class AdminState:
    """Reads one simulator."""

    def __init__(
        self,
        venue: Venue,
        rest: RestService,
        registrations: Registrations,
        drive: MarketDrive,
        director: Director,
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._registrations = registrations
        self._drive = drive
        self._director = director

    def summary(self) -> SimulatorSummary:
        """Return the run in numbers."""
        executions = self._venue.orders.executions
        return SimulatorSummary(
            orders=len(self._venue.orders),
            executions=len(executions),
            shares=sum(done.quantity for done in executions),
            amount=sum(done.quantity * done.price for done in executions),
            counters=self.counters(),
        )

    def state(self) -> dict[str, object]:
        """Return everything known now, as plain data."""
        venue, distribution = self._venue, self._venue.distribution
        accounts = {account: self.account(account) for account in venue.opening}
        return {
            "now": venue.now(),
            "environment": venue.settings.environment,
            "phase": venue.phase,
            "finished": self._drive.finished.is_set(),
            "orders": [_order(record) for record in venue.orders],
            "executions": list(venue.orders.executions),
            "accounts": accounts,
            "counters": self.counters(),
            "connections": self._registrations.listing(),
            "faults": distribution.faults.left,
            "caused": [
                {
                    "number": entry.number,
                    "at": entry.at,
                    "kind": entry.fault.kind,
                    "struck": entry.struck,
                    "left": entry.left,
                }
                for entry in distribution.faults.caused
            ],
            "losses": distribution.losses.ranges,
            "lost_notices": distribution.losses.notices,
            "scenario": self.scenario(),
        }

    def account(self, account: str) -> dict[str, object]:
        """Return one account's cash and holdings."""
        view = self._venue.exchange.account(account)
        return {
            "cash": view.cash,
            "available_cash": view.available_cash,
            "holdings": {
                symbol: {"quantity": held.quantity, "sellable": held.sellable, "cost": held.cost}
                for symbol, held in view.holdings.items()
            },
        }

    def connections(self) -> list[dict[str, object]]:
        """Return the WebSocket connections."""
        return self._registrations.listing()

    def scenario(self) -> dict[str, object]:
        """Return what the director plays."""
        playing = self._director.scenario
        return {
            "playing": playing.name if playing is not None else None,
            "actions": self._director.actions,
            "refused": list(self._director.refused),
        }

    def counters(self) -> Counters:
        """Return what was counted so far."""
        distribution = self._venue.distribution
        return Counters(
            orders_received=dict(self._rest.order_bodies.received),
            duplicate_bodies=self._rest.order_bodies.repeated,
            repeated_orders=self._rest.order_bodies.repetitions,
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
            records_lost=distribution.losses.records,
            notices_lost=len(distribution.losses.notices),
            faults_struck=distribution.faults.struck,
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
