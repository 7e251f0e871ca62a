"""Which exchange an order goes to. Pure.

What always holds: KRX, unless the settings choose otherwise, the account may trade elsewhere, the
symbol is traded at NXT, and the route takes the order's type at this instant. Auctions and
interruptions are KRX's. Outside the hours of KRX only an urgent exit may leave, as a limit order to
NXT, which knows no market order.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from events import prices
from events.calendar import TradingSession
from events.market import Phase, SessionOpened, SymbolReference, Venue
from events.trading import IntentSubmitted, OrderKind, Route, Side, Urgency
from kis_gateway import protocol
from kis_gateway.day.sessions import VenueDay, order_types_at
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.planner import MarketView, Plan

ORDER_TYPE_CODES: Final = {OrderKind.LIMIT: "00", OrderKind.MARKET: "01"}
"""The broker's code (``ORD_DVSN``) of each kind of order in a regular market."""

_AUCTION_SPAN: Final = 1_800 * 1_000_000_000
_PER_MILLE: Final = 1_000


class Venues:
    """The exchanges of one session and what they take."""

    def __init__(self, session: SessionOpened, settings: PlanSettings) -> None:
        """Read the hours of a session."""
        self._settings = settings
        self._session = _trading_session(session)

    def route(self, kind: OrderKind, reference: SymbolReference | None, view: MarketView) -> Route:
        """Return where an order of a kind goes now, in the hours of KRX."""
        wanted = self._settings.route
        if wanted is Route.KRX or not self._elsewhere(reference):
            return Route.KRX
        if view.phase is not Phase.CONTINUOUS or view.resting:
            return Route.KRX
        phase = VenueDay(self._session).phase_at(Venue.NXT, view.now)
        taken = order_types_at(self._session, protocol.Route(wanted.upper()), view.now)
        open_now = phase is not None and ORDER_TYPE_CODES[kind] in taken
        return wanted if open_now else Route.KRX

    def after_hours(
        self,
        intent: IntentSubmitted,
        quantity: int,
        reference: SymbolReference | None,
        view: MarketView,
    ) -> Plan | None:
        """Return the order of an urgent exit for NXT while KRX is closed, ``None`` for none."""
        if not self._settings.exits_after_hours or intent.urgency is not Urgency.HIGH:
            return None
        if reference is None or not self._elsewhere(reference):
            return None
        phase = VenueDay(self._session).phase_at(Venue.NXT, view.now)
        taken = order_types_at(self._session, protocol.Route.NXT, view.now)
        if phase is None or ORDER_TYPE_CODES[OrderKind.LIMIT] not in taken:
            return None
        known = view.last or reference.base_price
        reach = _PER_MILLE - self._settings.urgent_sell_reach_per_mille
        price = prices.round_down(
            min(known, reference.upper_limit) * reach // _PER_MILLE, view.board, view.on
        )
        floor = max(reference.lower_limit, intent.limit_price or 1)
        price = max(price, prices.round_up(floor, view.board, view.on))
        if price > reference.upper_limit:
            return None
        return Plan(
            side=Side.SELL,
            kind=OrderKind.LIMIT,
            quantity=quantity,
            limit_price=price,
            cancel_at=phase.ends_at,
        )

    def _elsewhere(self, reference: SymbolReference | None) -> bool:
        return self._settings.nxt_allowed and reference is not None and reference.nxt


def _trading_session(session: SessionOpened) -> TradingSession:
    """Return a session's hours from its opening books, without asking a calendar."""
    return TradingSession(
        trading_date=session.trading_date,
        day=date.fromisoformat(session.trading_date),
        auction_from=session.open_at - _AUCTION_SPAN,
        open_at=session.open_at,
        closing_auction_at=session.closing_auction_at,
        close_at=session.close_at,
    )
