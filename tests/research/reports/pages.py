"""Reads a page as a browser without scripts would: figures, tables, links, what it carries."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

_LOADING = {"src", "href", "srcset", "data", "action", "poster", "formaction", "xlink:href"}


class Page(HTMLParser):
    """What a page holds. ``figures`` by ``data-figure``, ``tables`` by id as rows of texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: dict[str, str] = {}
        self.months: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.policy = ""
        self.scripts: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.texts: list[str] = []
        self._script: str | None = None
        self._open: list[tuple[str, str, str]] = []
        self._table = ""
        self.feed(text)
        self.close()

    @property
    def text(self) -> str:
        """All text outside scripts and style, white space collapsed."""
        return " ".join(" ".join(self.texts).split())

    @property
    def payload(self) -> dict[str, Any]:
        """What the page's script works with."""
        carried: dict[str, Any] = json.loads(unpacked(self.scripts["payload"]))
        return carried

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids |= {found["id"]} if "id" in found else set()
        self.links += [value for name, value in found.items() if name in _LOADING]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        self.handlers += [name for name in found if name.startswith("on")]
        if tag in {"script", "style"}:
            self._script = found.get("id", f"{tag}-{len(self.scripts)}")
            self.scripts[self._script] = ""
        if tag == "table":
            self._table = found.get("id", f"table-{len(self.tables)}")
            self.tables[self._table] = []
        if tag == "tr" and self._table:
            self.tables[self._table].append([])
        if tag in {"td", "th"} and self._table:
            self.tables[self._table][-1].append("")
        for name, kept in (
            ("data-figure", self.figures),
            ("data-month", self.months),
            ("data-year", self.months),
            ("data-left-out", self.left_out),
        ):
            if name in found:
                kept[found[name]] = ""
                self._open.append((tag, name, found[name]))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._script = None
        if tag == "table":
            self._table = ""
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] += data
            return
        self.texts.append(data)
        if self._table and self.tables[self._table] and self.tables[self._table][-1]:
            row = self.tables[self._table][-1]
            row[-1] = (row[-1] + data).strip()
        for _, name, key in self._open:
            kept = {"data-figure": self.figures, "data-left-out": self.left_out}.get(
                name, self.months
            )
            kept[key] = (kept[key] + data).strip()


def unpacked(text: str) -> str:
    """Return what a page carries in compressed form."""
    return gzip.decompress(base64.b64decode(text)).decode()
