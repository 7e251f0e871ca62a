"""The tape and the book of the others as they come in: the hot path of the exchange.

An issue without orders of our clients costs a few dictionary and attribute look-ups per command; a
benchmark in the tests folder holds the rate.
"""

from __future__ import annotations

from events import Symbol
from events.market import Phase
from kis_gateway.simulator.exchange import auction, bars, matching
from kis_gateway.simulator.exchange.commands import (
    MarketBar,
    MarketBook,
    MarketIndication,
    MarketTrade,
    MarketTrades,
)
from kis_gateway.simulator.exchange.errors import UnlistedSymbol
from kis_gateway.simulator.exchange.floor import TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.listing import Session
from kis_gateway.simulator.exchange.outcomes import Outcome
from kis_gateway.simulator.exchange.reach import Reach, pass_by, reach
from kis_gateway.simulator.exchange.safeguards import Safeguards

_REGULAR = Session.REGULAR


class MarketSide:
    """Handles the commands of the market."""

    def __init__(self, floor: TradingFloor, watch: Safeguards | None) -> None:
        self._floor = floor
        self._watch = watch
        self._issues = floor.issues

    def trade(self, command: MarketTrade) -> list[Outcome]:
        """Print a trade of the others and fill what it proves."""
        floor, price, quantity = self._floor, command.price, command.quantity
        issue = self._issue(command)
        out: list[Outcome] = []
        if issue.withheld:
            return out
        in_auction = command.auction
        if self._watch is not None and self._watch.watch(issue, price, out, auction=in_auction):
            return out
        opens = issue.auction and issue.session is _REGULAR and floor.phase is Phase.CONTINUOUS
        if opens and not in_auction:
            floor.settle(issue, matching.begin_continuous(issue), out)
        out.append(floor.print(issue, price, quantity, command.aggressor, auction=in_auction))
        if in_auction:
            issue.vi_reference = price
            issue.indication, issue.expected = None, (0, 0)
        if not issue.has_orders:
            issue.eat(price, quantity, command.aggressor)
        else:
            self._fill(issue, command, out)
        if opens and in_auction:
            floor.settle(issue, matching.begin_continuous(issue), out)
        if issue.stops:
            floor.wake(issue, price, out)
        if len(out) > 1 or (opens and issue.has_orders):
            out.append(floor.book(issue))
        return out

    def trades(self, command: MarketTrades) -> list[Outcome]:
        """Enter trades of the others: all together, or where an order may be touched each alone."""
        floor, issue = self._floor, self._regular(command.symbol)
        out: list[Outcome] = []
        if issue.withheld:
            return out
        if self._watch is None and issue.session is _REGULAR:
            if issue.auction and not issue.has_orders and floor.phase is Phase.CONTINUOUS:
                matching.begin_continuous(issue)
            if pass_by(issue, command):
                return out
        for price, quantity, aggressor in zip(
            command.prices, command.quantities, command.aggressors, strict=True
        ):
            out += self.trade(
                MarketTrade(
                    at=command.at,
                    symbol=command.symbol,
                    price=price,
                    quantity=quantity,
                    aggressor=aggressor,
                    auction=False,
                )
            )
        return out

    def reach(self, symbol: Symbol) -> Reach | None:
        """Return what of the regular session is in reach of an issue's orders (``reach``)."""
        return None if self._watch is not None else reach(self._regular(symbol))

    def bar(self, command: MarketBar) -> list[Outcome]:
        """Enter a completed bar and fill what it proves (``bars``)."""
        issue, bar = self._regular(command.symbol), command.bar
        if issue.withheld or not bar.volume:
            return []
        if self._watch is None and bars.out_of_reach(issue, bar):
            issue.tape.print_bar(bar)
            return []
        return bars.trade(self._floor, issue, bar, command.at, self._watch)

    def book(self, command: MarketBook) -> list[Outcome]:
        """Take over the others' book and trade what now crosses."""
        floor, issue = self._floor, self._issue(command)
        out: list[Outcome] = []
        floor.settle(issue, matching.refresh(issue, command.asks, command.bids), out)
        regular = issue.session is _REGULAR and floor.phase is Phase.CONTINUOUS
        if issue.auction and regular and not issue.withheld:
            floor.settle(issue, matching.begin_continuous(issue), out)
        out.append(floor.book(issue))
        if issue.auction and issue.has_orders:
            floor.expect(issue, out)
        return out

    def indicate(self, command: MarketIndication) -> list[Outcome]:
        """Take over what the tape says of its coming single-price match."""
        issue = self._floor.issue(command.symbol, command.session)
        out: list[Outcome] = []
        if issue.auction and not issue.withheld:
            issue.indication = (command.price, command.quantity)
            self._floor.expect(issue, out)
        return out

    def _fill(self, issue: Issue, command: MarketTrade, out: list[Outcome]) -> None:
        floor, price, quantity = self._floor, command.price, command.quantity
        if command.auction:
            floor.settle(issue, auction.matched(issue, price, quantity), out)
        elif not issue.auction:
            fills = matching.printed(issue, price, quantity, command.aggressor)
            floor.settle(issue, fills, out)

    def _issue(self, command: MarketTrade | MarketBook) -> Issue:
        if command.session is not _REGULAR:
            return self._floor.issue(command.symbol, command.session)
        return self._regular(command.symbol)

    def _regular(self, symbol: Symbol) -> Issue:
        issue = self._issues.get(symbol)
        if issue is None:
            raise UnlistedSymbol(symbol)
        return issue
