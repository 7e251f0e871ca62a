"""How every inquiry of the API is put and read: one place for parameters, pages and refusals.

What always holds: a call that the paper service lacks is refused before anything is sent; a result
has all its pages, or there is none; rows that KIS pads short lists with are not rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Generic

import msgspec

from bus import TimeSource
from events import TradingDate
from events.calendar import kst
from kis_gateway.api.reading import R, Reader, S, WithSummary
from kis_gateway.client.answer import Fields, rows, single
from kis_gateway.client.calls import call_of
from kis_gateway.client.limiter import Priority
from kis_gateway.client.rest import Call, Envelope, RestClient
from kis_gateway.errors import InquiryFailed, NotOnPaper
from kis_gateway.protocol import CallForm, call_form
from kis_gateway.settings import Environment, KisSettings

_INSTEAD: Final = {
    "inquire-psbl-rvsecncl": "open orders are the rows of account.executions with a remaining "
    "quantity",
    "inquire-psbl-sell": "account.balance has the sellable quantity of each holding",
    "inquire-balance-rlz-pl": "account.balance has the holdings; realised profit follows from own "
    "fills",
    "inquire-account-balance": "account.balance has the assets of the stock account",
    "inquire-period-profit": "profit follows from account.executions",
    "inquire-period-trade-profit": "profit follows from account.executions",
    "inquire-price-2": "prices.last has the price; the rest is in the master files",
    "intstock-multprice": "ask prices.last for one issue after the other",
    "inquire-time-dailychartprice": "charts.minutes_today has today; older minutes must be kept",
    "inquire-index-price": "indices.chart has the level of the day",
    "inquire-index-daily-price": "indices.chart has the days",
    "chk-holiday": "events.calendar knows the sessions",
    "search-stock-info": "the master files name every issue",
    "search-info": "the master files name every issue",
}
_OTHERWISE: Final = "ask with the app key of a real account; quotations need no order permission"
_NO_ROWS: Final = "KIOK0560"
"""KIS's code for an answer without rows; some calls then leave the block out."""
_MOST_STEPS: Final = 200


class Inquiry:
    """One question to KIS: its call and how its answer is read."""

    def __init__(
        self, name: str, priority: Priority, *, variant: str = "", ledger: bool = False
    ) -> None:
        self.form: Final[CallForm] = call_form(name)
        self.call: Final[Call] = call_of(name, priority, variant=variant, ledger=ledger)

    @property
    def readers(self) -> tuple[Reader[Any], ...]:
        """What its answer is read with."""
        raise NotImplementedError


class One(Inquiry, Generic[R]):
    """Answers with one object."""

    def __init__(
        self,
        name: str,
        record: type[R],
        priority: Priority = Priority.QUOTE,
        *,
        block: str = "output",
        ledger: bool = False,
    ) -> None:
        super().__init__(name, priority, ledger=ledger)
        self.reader: Final = Reader(record, name, block)

    @property
    def readers(self) -> tuple[Reader[Any], ...]:
        """The reader of the object."""
        return (self.reader,)


class Many(Inquiry, Generic[R]):
    """Answers with a list."""

    def __init__(
        self,
        name: str,
        record: type[R],
        priority: Priority = Priority.QUOTE,
        *,
        block: str = "output",
        variant: str = "",
        ledger: bool = False,
    ) -> None:
        super().__init__(name, priority, variant=variant, ledger=ledger)
        self.reader: Final = Reader(record, name, block)

    @property
    def readers(self) -> tuple[Reader[Any], ...]:
        """The reader of the rows."""
        return (self.reader,)


class Summed(Inquiry, Generic[S, R]):
    """Answers with an object about the whole and a list."""

    def __init__(
        self,
        name: str,
        summary: type[S],
        row: type[R],
        priority: Priority = Priority.QUOTE,
        *,
        blocks: tuple[str, str] = ("output1", "output2"),
        variant: str = "",
        ledger: bool = False,
    ) -> None:
        super().__init__(name, priority, variant=variant, ledger=ledger)
        self.summary: Final = Reader(summary, name, blocks[0])
        self.reader: Final = Reader(row, name, blocks[1])

    @property
    def readers(self) -> tuple[Reader[Any], ...]:
        """The readers of the summary and of the rows."""
        return (self.summary, self.reader)


class Two(Inquiry, Generic[S, R]):
    """Answers with two objects."""

    def __init__(
        self,
        name: str,
        first: type[S],
        second: type[R],
        priority: Priority = Priority.QUOTE,
        *,
        blocks: tuple[str, str] = ("output1", "output2"),
    ) -> None:
        super().__init__(name, priority)
        self.first: Final = Reader(first, name, blocks[0])
        self.second: Final = Reader(second, name, blocks[1])

    @property
    def readers(self) -> tuple[Reader[Any], ...]:
        """The readers of both."""
        return (self.first, self.second)


class Caller:
    """Puts inquiries through one ``RestClient``."""

    def __init__(self, rest: RestClient, settings: KisSettings, time: TimeSource) -> None:
        self.rest: Final = rest
        self.time: Final = time
        self._settings = settings

    @property
    def account(self) -> dict[str, str]:
        """The account's parameters."""
        return {
            "CANO": self._settings.account_number,
            "ACNT_PRDT_CD": self._settings.account_product,
        }

    @property
    def on_paper(self) -> bool:
        """Whether this is the paper service."""
        return self._settings.environment is Environment.PAPER

    def today(self) -> date:
        """Return the present date in Korea."""
        return kst(self.time.now()).date()

    async def one(self, inquiry: One[R], parameters: Mapping[str, str]) -> R:
        """Return the object an inquiry answers with."""
        answer = await self.rest.inquire(inquiry.call, self._complete(inquiry, parameters))
        return self._single(inquiry.reader, answer, self.today())

    async def two(self, inquiry: Two[S, R], parameters: Mapping[str, str]) -> tuple[S, R]:
        """Return the two objects an inquiry answers with."""
        answer = await self.rest.inquire(inquiry.call, self._complete(inquiry, parameters))
        day = self.today()
        return self._single(inquiry.first, answer, day), self._single(inquiry.second, answer, day)

    async def many(
        self, inquiry: Many[R], parameters: Mapping[str, str], *, day: date | None = None
    ) -> tuple[R, ...]:
        """Return all rows in KIS's order. ``day`` is the date of times without one."""
        pages = await self._pages(inquiry, parameters)
        return self._rows(inquiry.reader, pages, day or self.today())

    async def summed(
        self, inquiry: Summed[S, R], parameters: Mapping[str, str], *, day: date | None = None
    ) -> WithSummary[S, R]:
        """Return the summary (of the last page: it counts all of them) and all rows."""
        pages = await self._pages(inquiry, parameters)
        day = day or self.today()
        return WithSummary(
            summary=self._single(inquiry.summary, pages[-1], day),
            rows=self._rows(inquiry.reader, pages, day),
        )

    async def _pages(self, inquiry: Inquiry, parameters: Mapping[str, str]) -> Sequence[Envelope]:
        complete = self._complete(inquiry, parameters)
        if inquiry.form.paging is not None:
            return await self.rest.inquire_pages(inquiry.call, complete)
        return (await self.rest.inquire(inquiry.call, complete),)

    def _complete(self, inquiry: Inquiry, parameters: Mapping[str, str]) -> dict[str, str]:
        form = inquiry.form
        if self.on_paper and not form.on_paper:
            raise NotOnPaper(form.name, _INSTEAD.get(form.name, _OTHERWISE))
        constants = {
            each.name: each.constant for each in form.parameters if each.constant is not None
        }
        known = {each.name for each in form.parameters}
        account = {name: value for name, value in self.account.items() if name in known}
        return {**constants, **account, **parameters}

    def _single(self, reader: Reader[R], answer: Envelope, day: date) -> R:
        return reader.read(single(reader.source.call, reader.block, _block(answer, reader)), day)

    def _rows(self, reader: Reader[R], pages: Sequence[Envelope], day: date) -> tuple[R, ...]:
        return tuple(
            reader.read(row, day)
            for page in pages
            if _block(page, reader) or page.code != _NO_ROWS
            for row in rows(reader.source.call, reader.block, _block(page, reader))
            if not _is_padding(row)
        )


def _is_padding(row: Fields) -> bool:
    """Whether a row says nothing: blanks and zeros alone, to fill a list up."""
    return not any(str(value).strip().strip("0.") for value in row.received.values() if value)


def _block(answer: Envelope, reader: Reader[Any]) -> msgspec.Raw:
    block: msgspec.Raw = getattr(answer, reader.block)
    return block


async def step_back(
    inquiry: Inquiry,
    ask: Callable[[date], Awaitable[Sequence[R]]],
    day_of: Callable[[R], TradingDate],
    first: TradingDate,
    last: TradingDate,
    *,
    full_page: int = 0,
    asked_by: Callable[[R], TradingDate] | None = None,
) -> tuple[R, ...]:
    """Return the rows of all days from ``first`` to ``last``, oldest first.

    KIS cuts long answers at their old end without saying so: ask again for what ends a day before
    the oldest row, until ``first`` is reached or nothing older comes. A page shorter than
    ``full_page`` is the last one; where that number is not published (0), one without news is.
    ``asked_by`` is the date by which the call looks rows up, where that is not their own.

    Raises:
        InquiryFailed: there is no end of it.
    """
    found: dict[TradingDate, R] = {}
    end = as_date(last)
    for _ in range(_MOST_STEPS):
        page = await ask(end)
        fresh = [row for row in page if day_of(row) not in found and day_of(row) <= last]
        found.update((day_of(row), row) for row in fresh)
        if not fresh or len(page) < full_page or min(found) <= first:
            return tuple(found[day] for day in sorted(found) if day >= first)
        oldest = found[min(found)]
        end = as_date((asked_by or day_of)(oldest)) - timedelta(days=1)
    raise InquiryFailed(inquiry.form.name, "PAGING", f"no end after {_MOST_STEPS} answers")


def as_date(day: TradingDate) -> date:
    """Return the date of a ``yyyymmdd``."""
    return datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007 - a KST date
