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

**Order types**: limit and market; best limit and top-priority limit take over the opposite or the
own best price when they arrive and keep it; orders at the middle price follow the book
(``middle``); a stop limit order sleeps until a print at or beyond its trigger and then arrives as a
limit order; a conditional order is a limit order until the closing auction, where it is a market
order; orders at a closing price and in the after-hours single-price market live in sessions of
their own.

**Auctions** (opening, closing): orders accumulate, unseen, and at the ``MarketTrade`` with
``auction`` set those at or better than its price, market orders first, then price, then time, trade
at its price, each side up to the printed quantity. An issue leaves the opening auction with its
first print or book after ``EnterPhase(CONTINUOUS)``: then the orders left over trade against what
is there in order of arrival and rest. The random end of an auction (up to 30 seconds at KRX) is the
tape's, or given with the command that begins the auction. The expected match (``ExpectedShown``) is
what the tape indicated (``MarketIndication``); where it did not, it is computed from our clients'
auction orders and the others' shown interest, as is the match of an auction that the tape does not
end: after an interruption or a halt, and between our clients in the single-price market.

**Stretches** (``reach``): whoever drives the exchange may leave out what is out of reach of all
orders and hand it over later, before anything that is in reach: trades as ``MarketTrades``.

**Bars** (``bars``): a tape of which only bars are known is handed over as ``MarketBar``, which is
equal to a few trades: who waits trades at the open, then what the bar goes through.

**Stops** (``safeguards``): volatility interruptions, halts and circuit breakers come as commands;
interruptions by the tape's own prices can be switched on. While an issue is stopped, trades of the
tape do not happen: this alone makes the printed bars differ from the recorded ones. Halted issues
take no orders and no amends, only cancels.

**Sessions** (``listing.Session``): the regular one has phases, the others are opened and closed.
Nothing carries over; what is left is withdrawn when its session ends ("session end"), conditions of
the pre-market at its end, other NXT orders at the end of the NXT after-market. Between its sessions
NXT takes cancels only. KRX and NXT have books apart and share the account's cash and shares. A
smart order (SOR) goes to KRX unless NXT alone trades or shows the better price for it, and never
moves afterwards. Open, high, low and bars are those of the regular session, totals of the day.

**Changes**: a cancel or amend may concern a part; an amend gets a new number and loses the place,
what it does not move stays in its place. Both may take effect later than they are taken in; what
trades until then has traded, and when nothing is left they are refused late.

**Timers**: the exchange announces (``next_due``) and carries out by itself what has its time: the
first command at or after that moment, or ``PassTime``, makes it happen.

**Money**: see ``accounts`` and ``clearing``. Fees and the transaction tax follow ``events.costs``;
trades settle on the second session, sold proceeds can be spent at once and withdrawn then.

Not modelled: short selling, the closing-price market of NXT (no order type names it), program
orders (a sidecar is only announced).
"""

from kis_gateway.simulator.exchange.errors import (
    AccountAlreadyOpen,
    BookTooSmall,
    ExchangeError,
    NoSuchLevel,
    OrderNumberReused,
    OutOfOrder,
    UnknownAccount,
    UnlistedSymbol,
)
from kis_gateway.simulator.exchange.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    Acknowledged,
    BookSet,
    BookShown,
    CancelOrder,
    CloseSession,
    Command,
    EnterPhase,
    Executed,
    ExpectedShown,
    HaltIssue,
    Interruption,
    Listing,
    MarketBar,
    MarketBook,
    MarketIndication,
    MarketStatusShown,
    MarketTrade,
    MarketTrades,
    OpenSession,
    Outcome,
    PassTime,
    PlaceOrder,
    Printed,
    Refusal,
    Refused,
    ReplaceOrder,
    ResumeIssue,
    Session,
    SetBook,
    StatusShown,
    TimeInForce,
    TriggerCircuitBreaker,
    Triggered,
    TriggerInterruption,
    TriggerSidecar,
    Withdrawn,
)
from kis_gateway.simulator.exchange.reach import Reach
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
    "BookSet",
    "BookShown",
    "BookTooSmall",
    "CancelOrder",
    "CloseSession",
    "Command",
    "EnterPhase",
    "Exchange",
    "ExchangeError",
    "Executed",
    "ExpectedShown",
    "HaltIssue",
    "HoldingView",
    "Interruption",
    "Listing",
    "MarketBar",
    "MarketBook",
    "MarketIndication",
    "MarketStatusShown",
    "MarketTrade",
    "MarketTrades",
    "NoSuchLevel",
    "OpenSession",
    "OrderNumberReused",
    "OrderStatus",
    "OrderView",
    "OutOfOrder",
    "Outcome",
    "PassTime",
    "PlaceOrder",
    "Printed",
    "Reach",
    "Refusal",
    "Refused",
    "ReplaceOrder",
    "ResumeIssue",
    "Session",
    "SetBook",
    "StatusShown",
    "TapeView",
    "TimeInForce",
    "TriggerCircuitBreaker",
    "TriggerInterruption",
    "TriggerSidecar",
    "Triggered",
    "UnknownAccount",
    "UnlistedSymbol",
    "Withdrawn",
]
