"""A price-time-priority exchange between a given tape and our clients. A pure processor.

``Exchange.handle(command) -> outcomes`` knows no clock, no network and no randomness, so a server
that speaks the broker's protocol and a backtest use the same object.

**The tape of the others is given.** ``MarketTrade`` and ``MarketBook`` come from a recording or a
generator and are not changed by what our clients do: every ``MarketTrade`` is ``Printed`` with its
price and quantity. This is the no-impact assumption: our orders are small beside the market. It is
optimistic for large orders, and a backtest should keep them below a share of the volume.

**Continuous trading**, our client's order …

- *arriving* takes the others' shown liquidity and our clients' opposite orders, best price first,
  at the prices found there, never beyond its limit. What it took is gone until the next
  ``MarketBook``; so is what the others traded. Fills against the others are not printed (their
  counterpart is on the given tape already); fills between two of our clients are.
- *resting* stands behind the quantity shown at its price when it came, and behind nobody who comes
  later. Beyond the tenth shown level nothing is known: it stands behind everything until the level
  comes into view. The queue ahead shrinks with every trade that hits it and to at most the
  quantity of the next shown book.
- *at the price of a trade* that came from the other side gets what the queue ahead left of it.
- *gone through by a trade* (a buy above, a sell below the printed price) fills whole, at its own
  limit: whoever traded at the worse price would have met it first.
- *crossed by a new book* fills up to the quantity shown, at its own limit, because it was there
  first.
- a *market order* trades between the day's price limits only. What the book cannot fill stays
  marketable: first in the queue, it trades at the price of the next trades (up to their quantity)
  and of the next shown books. It is not part of the shown book.

**Auctions** (opening, closing): orders accumulate, unseen, and at the ``MarketTrade`` with
``auction`` set those at or better than its price, market orders first, then price, then time, trade
at its price, each side up to the printed quantity. An issue leaves the opening auction with its
first print or book after ``EnterPhase(CONTINUOUS)``: then the orders left over trade against what
is there in order of arrival and rest. IOC and FOK orders are not taken during auctions.

**End of session**: ``EnterPhase(CLOSED)`` withdraws what is left ("session end").

**Money**: see ``accounts`` and ``clearing``. Fees and the transaction tax follow ``events.costs``.
"""

from kis_gateway.simulator.exchange.errors import (
    AccountAlreadyOpen,
    ExchangeError,
    OrderNumberReused,
    OutOfOrder,
    UnknownAccount,
    UnlistedSymbol,
)
from kis_gateway.simulator.exchange.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    Acknowledged,
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    Executed,
    Listing,
    MarketBook,
    MarketTrade,
    Outcome,
    PlaceOrder,
    Printed,
    Refusal,
    Refused,
    ReplaceOrder,
    TimeInForce,
    Withdrawn,
)
from kis_gateway.simulator.exchange.views import (
    AccountView,
    HoldingView,
    OrderStatus,
    OrderView,
    TapeView,
)

__all__ = [
    "AccountAlreadyOpen",
    "AccountView",
    "Acknowledged",
    "BookShown",
    "CancelOrder",
    "Command",
    "EnterPhase",
    "Exchange",
    "ExchangeError",
    "Executed",
    "HoldingView",
    "Listing",
    "MarketBook",
    "MarketTrade",
    "OrderNumberReused",
    "OrderStatus",
    "OrderView",
    "OutOfOrder",
    "Outcome",
    "PlaceOrder",
    "Printed",
    "Refusal",
    "Refused",
    "ReplaceOrder",
    "TapeView",
    "TimeInForce",
    "UnknownAccount",
    "UnlistedSymbol",
    "Withdrawn",
]
