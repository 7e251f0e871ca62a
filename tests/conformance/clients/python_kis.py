"""python-kis (import ``pykis``): typed answers, its own throttling and reconnection.

Redirected by the domain constants of its modules. On paper it takes quotations from the real host
and opens two sockets, and it offers neither open orders nor amendments there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pykis  # type: ignore[import-not-found] # lives in this client's own environment
import pykis.client.websocket  # type: ignore[import-not-found] # same
import pykis.kis  # type: ignore[import-not-found] # same

from tests.conformance.place import Place, read_place
from tests.conformance.steps import Report, expect, wait_for


def log_in(place: Place) -> Any:
    """Return a client with its tokens fetched."""
    pykis.kis.REAL_DOMAIN = place.real.rest
    pykis.kis.VIRTUAL_DOMAIN = place.paper.rest
    pykis.client.websocket.WEBSOCKET_REAL_DOMAIN = place.real.ws
    pykis.client.websocket.WEBSOCKET_VIRTUAL_DOMAIN = place.paper.ws
    keys = [
        pykis.KisAuth(
            id=side.hts_id,
            appkey=side.app_key,
            secretkey=side.app_secret,
            account=side.dashed_account,
            virtual=virtual,
        )
        for side, virtual in ((place.real, False), (place.paper, True))
    ]
    kis = pykis.PyKis(*(keys if place.paper_profile else keys[:1]))
    expect(kis.token.remaining > timedelta(hours=1), "the token has expired")
    expect(kis.primary_token.remaining > timedelta(hours=1), "the trading token has expired")
    return kis


class Run:
    """One client's way through the steps."""

    def __init__(self, place: Place, report: Report) -> None:
        self._place = place
        self._report = report
        self._trades: list[Any] = []
        self._books: list[Any] = []
        self._notices: list[Any] = []
        self._tickets: list[Any] = []

    def go(self) -> None:
        """Take every step."""
        step = self._report.step
        place = self._place
        step("login", self._log_in)
        step("price", self._price)
        step("order book", self._book)
        step("daily chart", self._daily)
        step("minute chart", self._minutes)
        step("balance", self._balance)
        step("buying power", self._buying_power)
        step("subscribe trades", self._subscribe_trades)
        step("subscribe book", self._subscribe_book)
        self._tickets.append(self._account.on("execution", self._keep(self._notices)))
        self._order = step("place", self._place_order)
        if place.paper_profile:
            self._report.not_offered("open orders", "python-kis, like KIS, has none on paper")
            self._report.not_offered("amend", "python-kis refuses amendments on paper")
        else:
            step("open orders", self._open_orders)
            self._order = step("amend", self._amend)
        step("cancel", self._cancel)
        step("fill", self._fill)
        step("fill notice", self._notice)
        step("daily orders", self._daily_orders)
        step("reconnect", self._reconnect)
        self._leave()

    def _log_in(self) -> str:
        kis = self._kis = log_in(self._place)
        self._account = kis.account()
        self._stock = kis.stock(self._place.symbol)
        return f"{self._stock.info.name}, {self._account.account_number}"

    @staticmethod
    def _keep(into: list[Any]) -> Any:
        return lambda _sender, event: into.append(event.response)

    def _leave(self) -> None:
        for ticket in self._tickets:
            ticket.unsubscribe()
        self._kis.websocket.disconnect()

    def _price(self) -> str:
        quote = self._stock.quote()
        expect(quote.low_limit < quote.price < quote.high_limit, "price outside its limits")
        self._quote = quote
        return f"{quote.price} {quote.sign_name} volume {quote.volume}"

    def _book(self) -> str:
        book = self._stock.orderbook()
        expect(book.ask_price.price > book.bid_price.price > 0, "no book")
        self._ask, self._bid = book.ask_price.price, book.bid_price.price
        return f"{self._bid} / {self._ask}"

    def _daily(self) -> str:
        chart = self._stock.daily_chart(start=timedelta(days=30))
        expect(len(chart.bars) > 15, f"{len(chart.bars)} bars")
        return f"{len(chart.bars)} bars to {chart.bars[-1].time:%Y-%m-%d}"

    def _minutes(self) -> str:
        chart = self._stock.day_chart()
        expect(len(chart.bars) >= 15, f"{len(chart.bars)} bars")
        expect(all(bar.high >= bar.low > 0 for bar in chart.bars), "impossible bars")
        return f"{len(chart.bars)} bars to {chart.bars[-1].time:%H:%M}"

    def _balance(self) -> str:
        balance = self._account.balance(country="KR")
        expect(balance.stocks, "no holdings")
        return f"{balance.deposits['KRW'].amount} won, {len(balance.stocks)} holdings"

    def _buying_power(self) -> str:
        amount = self._stock.orderable_amount(price=self._quote.price)
        expect(amount.qty > 0, "nothing can be bought")
        return f"{amount.qty} shares of {amount.unit_price}"

    def _subscribe_trades(self) -> str:
        self._tickets.append(self._stock.on("price", self._keep(self._trades)))
        wait_for(lambda: len(self._trades) > 2, "trades")
        return f"{self._trades[-1].price} at {self._trades[-1].time:%H:%M:%S}"

    def _subscribe_book(self) -> str:
        self._tickets.append(self._stock.on("orderbook", self._keep(self._books)))
        wait_for(lambda: len(self._books) > 2, "books")
        return f"{self._books[-1].bid_price.price} / {self._books[-1].ask_price.price}"

    def _place_order(self) -> Any:
        low = self._quote.low_limit + self._quote.tick * 10
        order = self._stock.buy(price=low, qty=3)
        expect(len(order.number) == 10, f"order number {order.number!r}")
        return order

    def _mine(self, order: Any) -> Any:
        return _row(self._account.pending_orders(country="KR"), order)

    def _open_orders(self) -> str:
        row = wait_for(lambda: self._mine(self._order), "open order", every=1.2)
        expect((row.quantity, row.executed_quantity) == (3, 0), f"row {row}")
        return f"{row.quantity} open at {row.unit_price}"

    def _amend(self) -> Any:
        before = self._order.number
        amended = self._order.modify(price=self._quote.low_limit + self._quote.tick * 20)
        expect(amended.number != before, "an amendment has a number of its own")
        return amended

    def _cancel(self) -> str:
        cancelled = self._order.cancel()

        def ended() -> bool:
            row = self._daily_row(self._order)
            return row is not None and row.pending_quantity == 0

        wait_for(ended, "end of the order in the day's orders", every=1.2)
        return str(cancelled.number)

    def _fill(self) -> str:
        order = self._stock.buy(price=self._quote.price + self._quote.tick * 10, qty=2)
        self._bought = order
        row = wait_for(lambda: self._filled(order), "fill in the day's orders", every=1.2)
        return f"{row.executed_quantity} at {row.price}"

    def _filled(self, order: Any) -> Any:
        row = self._daily_row(order)
        return row if row is not None and row.executed_quantity == 2 else None

    def _daily_row(self, order: Any) -> Any:
        today = datetime.strptime(self._place.day, "%Y%m%d").date()  # noqa: DTZ007 - a date
        orders = self._account.daily_orders(start=today, end=today, country="KR")
        return _row(orders, order)

    def _notice(self) -> str:
        received = wait_for(lambda: self._fills_of(self._bought), "fill notice")
        notice = received[-1]
        expect(notice.account_number == self._account.account_number, "another account")
        return f"{notice.executed_quantity} at {notice.price}, order {notice.order_number.number}"

    def _fills_of(self, order: Any) -> list[Any]:
        return [
            notice
            for notice in self._notices
            if notice.order_number == order and notice.executed_quantity > 0
        ]

    def _daily_orders(self) -> str:
        row = self._daily_row(self._bought)
        expect(row is not None and row.price > Decimal(0), "no row")
        return f"{row.name}: {row.executed_quantity} of {row.quantity} at {row.price}"

    def _reconnect(self) -> str:
        seen = len(self._trades), len(self._books)
        self._place.real.disconnect()
        if self._place.paper_profile:
            self._place.paper.disconnect()
        wait_for(lambda: len(self._trades) > seen[0] + 2, "trades after the cut", 40)
        wait_for(lambda: len(self._books) > seen[1] + 2, "books after the cut", 40)
        own = self._place.own
        wait_for(lambda: own.state()["counters"]["ws_sessions"], "session of the notices", 40)
        order = self._stock.buy(price=self._quote.price + self._quote.tick * 10, qty=2)
        wait_for(lambda: self._fills_of(order), "fill notice after the cut")
        return f"notice of {order.number}"


def _row(orders: Any, order: Any) -> Any:
    # Not orders.order(order): before Python 3.12 its isinstance on a protocol runs the order's
    # properties, each an inquiry of its own, and the ledger takes one a second.
    return next((row for row in orders.orders if row.number == order.number), None)


def main() -> None:
    """Run against the place of the command line."""
    pykis.logging.setLevel("WARNING")
    place = read_place()
    Run(place, Report(pause=1.1)).go()


if __name__ == "__main__":
    main()
