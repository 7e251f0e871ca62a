"""Which REST calls the simulator serves, under which TR ids: every documented one.

Paths, methods and TR ids come from the protocol's own table; here each call is given who answers
it. Quotations (F, H) have the same id everywhere, trading ids are their own in each environment,
old ids are those public clients still send. Calls that KIS serves on the real host only answer
MCA00124 on paper, unless the settings open the quotations among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kis_gateway.protocol import CallForm, call_forms
from kis_gateway.simulator.calls.answers import Answer, refused
from kis_gateway.simulator.calls.call_answers import ANSWERS
from kis_gateway.simulator.calls.overseas_calls import OVERSEAS, OVERSEAS_REFUSED, refuse_overseas
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.venue import Venue


class ServedCall(NamedTuple):
    """One path: its method, its TR ids with what each selects, and who answers."""

    name: str
    method: str
    tr_ids: Mapping[str, str]
    paper_tr_ids: Mapping[str, str]
    answer: Callable[[Venue, Call], Answer]
    ledger: bool = False
    order: bool = False
    quotation: bool = False


_LEDGER: Final = frozenset(
    {
        "inquire-daily-ccld",
        "inquire-balance",
        "inquire-balance-rlz-pl",
        "inquire-psbl-rvsecncl",
        "inquire-account-balance",
        "inquire-period-profit",
        "inquire-period-trade-profit",
        "period-rights",
    }
)
"""What KIS counts as calls of its ledger, one a second and account."""

_TRADED_IN: Final = frozenset("TCJ")


def _served(form: CallForm) -> ServedCall:
    return ServedCall(
        name=form.name,
        method=form.method,
        tr_ids=_by_id(form.tr_ids, form.old_tr_ids),
        paper_tr_ids=_by_id(form.paper_tr_ids, form.old_paper_tr_ids),
        answer=ANSWERS[form.name],
        ledger=form.name in _LEDGER,
        order=form.method == "POST",
        quotation=form.group != "trading",
    )


def _by_id(*tables: Mapping[str, str]) -> dict[str, str]:
    return {tr_id: variant for table in tables for variant, tr_id in table.items()}


def _overseas(
    path: str, method: str, ids: tuple[str, ...], answer: Callable[[Venue, Call], Answer]
) -> ServedCall:
    real = dict.fromkeys(ids, "")
    return ServedCall(
        name=f"overseas-{path.rpartition('/')[2]}",
        method=method,
        tr_ids=real,
        # The paper ids of selling differ in the last digit, too.
        paper_tr_ids={tr_id if tr_id[0] == "H" else f"V{tr_id[1:]}": "" for tr_id in real},
        answer=answer,
        order=method == "POST",
        quotation=ids[0][0] == "H",
    )


CALLS: Final[Mapping[str, ServedCall]] = {
    **{form.path: _served(form) for form in call_forms().values() if form.group != "oauth"},
    **{path: _overseas(path, "GET", ids, answer) for path, (ids, answer) in OVERSEAS.items()},
    **{
        path: _overseas(path, method, ids, refuse_overseas)
        for path, (method, ids) in OVERSEAS_REFUSED.items()
    },
}
"""Every call by its path."""


def variant_of(served: ServedCall, tr_id: str, settings: SimulatorSettings) -> str:
    """Return what a TR id selects on a path.

    Raises:
        CallRefused: no TR id (OPSQ9999), a real id on paper (EGW00213), a call paper does not have
            (MCA00124), or an id that does not belong to the path (OPSQ0002).
    """
    if not tr_id:
        raise refused("OPSQ9999")
    if not settings.paper:
        if tr_id not in served.tr_ids:
            raise refused("OPSQ0002")
        return served.tr_ids[tr_id]
    if tr_id in served.paper_tr_ids:
        return served.paper_tr_ids[tr_id]
    real_id = tr_id
    if tr_id[0] == "V":
        real_id = next((each for each in served.tr_ids if each[1:] == tr_id[1:]), "")
    if real_id not in served.tr_ids:
        raise refused("EGW00213" if tr_id[0] in _TRADED_IN else "OPSQ0002")
    if served.quotation and settings.real_only_quotations:
        return served.tr_ids[real_id]
    raise refused("EGW00213" if tr_id[0] in _TRADED_IN and not served.quotation else "MCA00124")
