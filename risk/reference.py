"""The reference of the risk gate, written by the code that decides: checks, reductions, halts.

What always holds: the text says what the table of checks, their docstrings and the settings say, in
that order, and nothing else. It is therefore never out of date, and it takes no part in a decision.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from events.control import HaltMode, HaltScope, HaltTrigger
from events.trading import CheckOutcome
from risk import reductions, triggers
from risk.entries import STEPS, Step
from risk.settings import Dial, RiskSettings, StrategySettings

_BUDGET: Final = "strategy_budgets.<id>."

_HEAD: Final = """\
# The risk gate: what it checks

Written from the code by `python -m deploy.risk_reference`; a test compares it with the code. Limits
are those of `deploy/config/oms.yaml`: the standard value, then the conservative one where there are
two. Every decision on the log carries each check that was made with the value it saw, its limit,
the headroom between them and what it said.

## Entries

The checks in their order. The first that rejects or defers ends; one that cuts lowers the quantity
and the next goes on with what is left. *Beyond* is how a check ends outside its limit, *no data*
how it ends when there is nothing to judge by; it is then shown as missing, also when it passes.
"""

_REDUCTIONS: Final = """\
## Exits, reductions and cancels

None of the checks above is asked, and no halt. What is asked:
"""

_HALTS: Final = """\
## Halts

A halt refuses entries in its scope. Operators set and release halts; the gate sets them by rule.
"""


def reference(settings: RiskSettings) -> str:
    """Return the reference as Markdown, with the limits of ``settings``."""
    parts = [_HEAD, "\n".join(_table(settings)), "\n".join(_explained())]
    parts += [_REDUCTIONS, "\n".join(_rules()), _HALTS, "\n".join(_halts())]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _table(settings: RiskSettings) -> Iterator[str]:
    yield "| # | check | unit | limit | beyond | no data |"
    yield "|--:|---|---|---|---|---|"
    for number, step in enumerate(STEPS, start=1):
        limits = "; ".join(_limit(settings, key) for key in step.keys)
        missing = step.when_missing.value
        cells = (f"`{_name(step)}`", step.unit, limits, _beyond(step), missing)
        yield f"| {number} | {' | '.join(cells)} |"


def _explained() -> Iterator[str]:
    yield "What each asks:"
    yield ""
    for step in STEPS:
        yield f"- `{_name(step)}`: {_prose(step.check)}"


def _name(step: Step) -> str:
    return step.check.__name__


def _beyond(step: Step) -> str:
    end: CheckOutcome = step.beyond
    return end.value if step.room is None else f"cut; nothing fits: {end.value}"


def _limit(settings: RiskSettings, key: str) -> str:
    """Return a key with its values; one of a strategy's budget with those of every strategy."""
    if key.startswith(_BUDGET):
        name = key.removeprefix(_BUDGET)
        values = ", ".join(
            f"{strategy} {_value(_of_budget(budget, name))}"
            for strategy, budget in settings.strategy_budgets.items()
        )
        return f"`{key}`: {values}"
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    return f"`{key}`: {_value(value)}"


def _of_budget(budget: StrategySettings, name: str) -> object:
    value: object = getattr(budget, name)
    return value


def _value(value: object) -> str:
    if isinstance(value, Dial):
        both = (value.standard, value.conservative)
        return " / ".join("off" if each is None else f"{each:,}" for each in both)
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(str(each) for each in value) or "none"
    return str(value)


def _rules() -> Iterator[str]:
    for kind, rule in (
        ("exit, reduce, flatten", reductions.sell),
        ("cancel_orders", reductions.cancel),
        ("modify_risk", reductions.modify_risk),
        ("set_target", reductions.unsupported),
    ):
        yield f"- {kind}: {_prose(rule)}"
    yield f"- `{reductions.OWN_SHARES}` caps a sale by what its owner has and is not selling yet."
    yield (
        f"- `{reductions.BROKER_SHARES}` caps it by what the broker has ready for sale; without a "
        "statement that can be believed it is missing and caps nothing."
    )


def _halts() -> Iterator[str]:
    yield f"- Scopes: {_listed(HaltScope)}. {_body(HaltScope)}"
    yield f"- Modes: {_listed(HaltMode)}. {_body(HaltMode)}"
    yield f"- Triggers: {_listed(HaltTrigger)}."
    yield ""
    yield "What sets them by rule, whom they concern and when they end:"
    yield ""
    yield inspect.cleandoc(triggers.__doc__ or "").partition("\n\n")[2].replace("``", "`")


def _listed(values: type[HaltScope] | type[HaltMode] | type[HaltTrigger]) -> str:
    return ", ".join(f"`{value.value}`" for value in values)


def _body(described: type) -> str:
    """Return what a docstring says after its first paragraph, on one line."""
    return _line(inspect.cleandoc(described.__doc__ or "").partition("\n\n")[2])


def _prose(described: object) -> str:
    return _line(inspect.getdoc(described) or "")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
