"""kis-trader (import ``kis_trader``): new TR ids, today's record widths, pong frames for PINGPONG.

Redirected by its two tables of addresses. It refuses records that are a field wider or narrower
than those of the real service since 2026-09-14, and has no open-order call on paper, where KIS has
none either.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import kis_trader  # type: ignore[import-not-found] # lives in this client's own environment
import kis_trader._internal._endpoints as endpoints  # type: ignore[import-not-found] # same

from tests.conformance.place import Place, read_place
from tests.conformance.steps import Report, expect, wait_for

_FILLED = "2"


def redirect(place: Place) -> None:
    """Change the hosts that the client has written down."""
    endpoints._BASE_URL_BY_ENVIRONMENT.update(real=place.real.rest, paper=place.paper.rest)
    endpoints._WEBSOCKET_URL_BY_ENVIRONMENT.update(real=place.real.ws, paper=place.paper.ws)


class Run:
    """One client's way through the steps."""

    def __init__(self, place: Place, report: Report) -> None:
        self._place = place
        self._report = report
        self._trades: list[Any] = []
        self._books: list[Any] = []
        self._notices: list[Any] = []

    def go(self) -> None:
        """Take every step."""
        step = self._report.step
        paper = self._place.paper_profile
        step("login", self._log_in)
        step("price", self._price)
        step("order book", self._book)
        step("daily chart", self._daily)
        step("minute chart", self._minutes)
        step("balance", self._balance)
        step("buying power", self._buying_power)
        self._live = self._kis.realtime()
        stock = self._live.domestic.stock(self._place.symbol)
        stock.trades(on=self._trades.append)
        stock.order_book(on=self._books.append)
        own = self._place.own
        self._live.domestic.execution_notices.stock(own.hts_id, on=self._notices.append)
        self._live.start()
        step("subscribe trades", lambda: self._stream(self._trades).current_price)
        step("subscribe book", lambda: self._stream(self._books).best_ask)
        self._order = step("place", lambda: self._buy(self._low + 10 * self._tick, 3))
        if paper:
            self._report.not_offered("open orders", "kis-trader refuses the call on paper, as KIS")
        else:
            step("open orders", self._open_orders)
        step("amend", self._amend)
        step("cancel", self._cancel)
        step("fill", self._fill)
        step("fill notice", self._notice)
        step("daily orders", self._daily_orders)
        step("reconnect", self._reconnect)
        self._live.stop()

    def _log_in(self) -> str:
        own = self._place.own
        self._kis = kis_trader.KISClient(
            app_key=own.app_key,
            app_secret=own.app_secret,
            account=own.dashed_account,
            environment=self._place.profile,
            hts_id=own.hts_id,
            token_cache_dir=Path("tokens").resolve(),
        )
        self._stock = self._kis.domestic.stock(self._place.symbol)
        return str(self._stock.quote().current_price)

    def _price(self) -> str:
        quote = self._stock.quote()
        self._now = quote.current_price
        raw = quote._raw
        self._low, self._tick = int(raw["stck_llam"]), int(raw["aspr_unit"])
        expect(quote.low <= quote.current_price <= quote.high, "price outside its range")
        return f"{quote.current_price} {quote.change_percent} %"

    def _book(self) -> str:
        book = self._stock.order_book()
        expect(book.asks[0].price > book.bids[0].price > 0, "no book")
        return f"{book.bids[0].price} / {book.asks[0].price}"

    def _daily(self) -> str:
        today = datetime.strptime(self._place.day, "%Y%m%d").date()  # noqa: DTZ007 - a date
        bars = self._stock.bars("1d", start=today - timedelta(days=30), end=today)
        expect(len(bars) > 15, f"{len(bars)} bars")
        return f"{len(bars)} bars to {bars[-1].timestamp:%Y-%m-%d}"

    def _minutes(self) -> str:
        bars = self._stock.bars("1m", max_bars=15)
        expect(len(bars) == 15, f"{len(bars)} bars")
        return f"{len(bars)} bars to {bars[-1].timestamp:%H:%M}"

    def _balance(self) -> str:
        portfolio = self._kis.account.domestic.portfolio()
        expect(portfolio.positions, "no holdings")
        return f"{portfolio.balance.deposit} won, {len(portfolio.positions)} holdings"

    def _buying_power(self) -> str:
        power = self._stock.buyable(limit_price=self._now)
        expect(power.cash_buyable_quantity > 0, "nothing can be bought")
        return f"{power.cash_buyable_quantity} shares of {self._now}"

    @staticmethod
    def _stream(seen: list[Any]) -> Any:
        wait_for(lambda: len(seen) > 2, "frames")
        return seen[-1]

    def _buy(self, price: Any, quantity: int) -> Any:
        report = self._stock.buy(quantity=quantity, limit_price=price)
        expect(report.status.value in ("new", "pending_new"), f"status {report.status}")
        return report

    def _open_orders(self) -> str:
        wanted = self._order.order_id

        def look() -> Any:
            rows = self._kis.account.domestic.open_orders()
            return next((row for row in rows if row.order_id == wanted), None)

        row = wait_for(look, "open order", every=1.2)
        expect((row.order_quantity, row.filled_quantity) == (3, 0), f"row {row}")
        return f"{row.cancelable_quantity} open at {row.order_price}"

    def _amend(self) -> str:
        amended = self._kis.orders.modify(
            self._order.client_order_id, limit_price=self._low + 20 * self._tick
        )
        expect(amended.order_id != self._order.order_id, "an amendment has a number of its own")
        return f"{amended.order_id} {amended.status}"

    def _cancel(self) -> str:
        cancelled = self._kis.orders.cancel(self._order.client_order_id)
        return f"{cancelled.order_id} {cancelled.status}"

    def _fill(self) -> str:
        self._bought = self._buy(self._now + 10 * self._tick, 2)
        row = wait_for(lambda: self._filled(self._bought), "fill in the day's orders", every=1.2)
        return f"{row.filled_quantity} at {row.average_price}"

    def _filled(self, report: Any) -> Any:
        history = self._history()
        wanted = report.order_id
        rows = [row for row in history if row.order_id == wanted and row.filled_quantity == 2]
        return rows[0] if rows else None

    def _history(self) -> list[Any]:
        day = self._place.day
        history = self._kis.account.domestic.order_history(start=day, end=day)
        return list(history.orders)

    def _notice(self) -> str:
        notice = wait_for(lambda: self._fill_of(self._bought), "fill notice")
        expect(notice.account_number == self._place.own.account, "another account")
        return f"{notice.filled_quantity} at {notice.filled_price} of {notice.order_quantity}"

    def _fill_of(self, report: Any) -> Any:
        return next(
            (
                notice
                for notice in self._notices
                if notice.order_id == report.order_id and notice.fill_status == _FILLED
            ),
            None,
        )

    def _daily_orders(self) -> str:
        rows = self._history()
        expect(len(rows) >= 2, f"{len(rows)} rows")
        return f"{len(rows)} rows, first {rows[0].order_type_name} {rows[0].order_price}"

    def _reconnect(self) -> str:
        seen = len(self._trades), len(self._books)
        self._place.own.disconnect()
        wait_for(lambda: len(self._trades) > seen[0] + 2, "trades after the cut", 40)
        wait_for(lambda: len(self._books) > seen[1] + 2, "books after the cut", 40)
        time.sleep(1.2)
        order = self._buy(self._now + 11 * self._tick, 2)
        wait_for(lambda: self._fill_of(order), "fill notice after the cut")
        return f"notice of {order.order_id}"


def main() -> None:
    """Run against the place of the command line."""
    place = read_place()
    redirect(place)
    Run(place, Report(pause=1.1)).go()


if __name__ == "__main__":
    main()
