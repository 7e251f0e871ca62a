"""Turns a view of a result into one HTML file that opens anywhere, also without a network.

Scripts and rows are carried inside the file, compressed; the browser unpacks them. What always
holds: nothing is loaded from elsewhere or sent there, text of a result is only ever text (never
markup or script), and equal input gives equal bytes.
"""

from __future__ import annotations

import base64
import functools
import gzip
import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
from markupsafe import Markup

from research.reports import notation

_TEMPLATES: Final = "templates"


def render(template: str, view: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return a page. ``view`` is what the template shows, ``data`` what its script works with."""
    return (
        _environment()
        .get_template(template)
        .render(
            view,
            style=_part("page.css"),
            script=_part("page.js"),
            plotly=_plotly(),
            payload=Markup(packed(msgspec.json.encode(data))),  # noqa: S704 - base64 has no markup
        )
    )


def write(path: Path, page: str) -> Path:
    """Write a page, complete or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(path)


def packed(content: bytes) -> str:
    """Return bytes as base64 of their gzip, the same for the same bytes."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("research.reports", _TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for each in (notation.won, notation.count, notation.percent, notation.duration):
        environment.filters[each.__name__] = each
    environment.filters["instant"] = notation.instant
    environment.filters["session"] = notation.session
    return environment


def _part(name: str) -> Markup:
    folder = importlib.resources.files("research.reports").joinpath(_TEMPLATES)
    text = folder.joinpath(name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own file


@functools.cache
def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(packed(get_plotlyjs().encode()))  # noqa: S704 - base64 has no markup
