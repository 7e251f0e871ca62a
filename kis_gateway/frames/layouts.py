"""Which feeds are read, how wide their records may be, and how wide those of a frame are.

What always holds: a width is either known, or reported together with the records that have it;
fewer columns than a feed has ever had are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kis_gateway.errors import ShortFrame
from kis_gateway.protocol import feed_forms

TRADES: Final = "H0STCNT0"
QUOTES: Final = "H0STASP0"
NOTICES: Final = "H0STCNI0"
PAPER_NOTICES: Final = "H0STCNI9"
OWN_NOTICES: Final = frozenset({NOTICES, PAPER_NOTICES})

NOT_READ: Final = frozenset({"H0STMBC0", "H0NXMBC0", "H0UNMBC0"})
"""Known feeds whose records (turnover by member firm) no event type carries."""

_SEEN_BESIDES: Final = {
    # The documentation's own sample frames lack the last column, EXCH_CLS_CODE.
    "H0STMKO0": 10,
    "H0NXMKO0": 10,
    # Read with 62 columns (the NXT mid price alone) by published clients, documented with 65.
    "H0NXASP0": 62,
}


def _known_widths() -> Mapping[str, tuple[int, ...]]:
    widths = {tr_id: set(form.widths.values()) for tr_id, form in feed_forms().items()}
    for tr_id, width in _SEEN_BESIDES.items():
        widths[tr_id].add(width)
    return {tr_id: tuple(sorted(known)) for tr_id, known in widths.items() if tr_id not in NOT_READ}


KNOWN_WIDTHS: Final = _known_widths()
"""Record widths by TR id, narrowest first; the first is the least that is accepted."""


class Layout:
    """The widths of one feed's records, for frames of one number of records.

    ``lengths`` maps the number of fields of a frame to the width of its records, for the widths
    met so far: the fast way. ``width`` finds out about all others.
    """

    __slots__ = ("_known", "changed", "count", "lengths", "tr_id")

    def __init__(self, tr_id: str, count: int, known: set[int]) -> None:
        """``known`` is shared by the layouts of all counts of the feed."""
        self.tr_id = tr_id
        self.count = count
        self._known = known
        self.lengths: dict[int, int] = {}
        self.changed: int | None = None
        """A width never seen before, until ``accept``."""

    def width(self, length: int, *, ends_empty: bool) -> int:
        """Return the width of the records of a frame of ``length`` fields.

        A last field that is empty may be a trailing separator instead.

        Raises:
            ValueError: the fields are not ``count`` records of one width.
            ShortFrame: fewer columns than ever; the frame is still to be put in.
        """
        width, rest = divmod(length, self.count)
        if ends_empty and (rest == 1 or (width not in self._known and width - 1 in self._known)):
            width, rest = divmod(length - 1, self.count)
        if rest or not width:
            raise ValueError(f"{length} fields are not {self.count} records of one width")
        least = KNOWN_WIDTHS[self.tr_id][0]
        if width < least:
            raise ShortFrame(
                f"{self.tr_id}: {width} columns in a record, never fewer than {least} until now: "
                "the layout has changed, compare it with the documentation",
                "",
            )
        if width in self._known:
            if width * self.count == length:
                self.lengths[length] = width
        else:
            self.changed = width
        return width

    def accept(self) -> tuple[int, tuple[int, ...]] | None:
        """Take a new width for known once its records could be read; return it and those before."""
        width, self.changed = self.changed, None
        if width is None or width in self._known:
            return None
        known = tuple(sorted(self._known))
        self._known.add(width)
        return width, known
