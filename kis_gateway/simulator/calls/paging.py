"""Account and paging parameters that the trading inquiries share.

Pages continue after the last row's key, so rows that appear between two pages neither repeat nor
shift the rest. Page sizes are those of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kis_gateway.protocol import call_form
from kis_gateway.simulator.calls.answers import Answer, Page, paged, refused
from kis_gateway.simulator.calls.fields import Row
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.venue import Venue

_USUAL_ROWS: Final = 50
_WIDE: Final = 200


def asked_account(call: Call) -> str:
    """Return the account a call is about, ten digits.

    Raises:
        CallRefused: not the account of the app key (OPSQ2000).
    """
    account = call.text("CANO") + call.text("ACNT_PRDT_CD")
    if account != call.credentials.account:
        raise refused("OPSQ2000")
    return account


def page_of(
    venue: Venue,
    call: Call,
    name: str,
    rows: Sequence[tuple[str, Row]],
    *,
    descending: bool = False,
) -> Page:
    """Return the page that a call asks for; ``rows`` come with their keys, in order of these."""
    after = call.text(f"CTX_AREA_NK{_width(name)}", "") if call.continued else ""
    if after:
        rows = [(key, row) for key, row in rows if (key < after if descending else key > after)]
    paging = call_form(name).paging
    size = 0
    if paging is not None:
        size = paging.paper_rows if venue.settings.paper else paging.rows
    size = size or _USUAL_ROWS
    chosen = rows[:size]
    return Page(
        rows=[row for _, row in chosen], next_key=chosen[-1][0] if len(rows) > size else None
    )


def page_answer(
    venue: Venue, call: Call, name: str, page: Page, *conditions: str, **blocks: object
) -> Answer:
    """Return a page with its cursors; ``conditions`` are what the condition cursor repeats."""
    return paged(
        page,
        condition="^".join((call.text("CANO"), call.text("ACNT_PRDT_CD"), *conditions, "")),
        first=not call.continued,
        paper=venue.settings.paper,
        width=_width(name),
        **blocks,
    )


def _width(name: str) -> int:
    paging = call_form(name).paging
    return _WIDE if paging is not None and paging.cursor == str(_WIDE) else 100
