"""Who trades in an issue: program trading (H0STPGM0 and twins) and member firms (H0STMBC0 …).

The simulated market does not know its participants, so both are derived from the volumes by side:
fixed shares of each side by issue and rank, the same in every run. Totals never shrink, sells and
buys stay below the issue's volume, and foreign firms are those whose code says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

from kis_gateway.simulator.feeds.trade_records import IssueRecords

_PERMILLE: Final = 1_000
_RANKS: Final = 5
_RANK_SHARES: Final = (180, 130, 90, 70, 50)
"""Shares of a side's volume (‰) by rank, before an issue's own spread of up to 20 ‰."""


class MemberFirm(NamedTuple):
    """A securities firm as the exchange lists it."""

    code: str
    name: str
    foreign: bool = False


FIRMS: Final = (
    MemberFirm("00003", "한국증권"),
    MemberFirm("00005", "미래에셋"),
    MemberFirm("00012", "NH투자증권"),
    MemberFirm("00017", "KB증권"),
    MemberFirm("00030", "삼성증권"),
    MemberFirm("00050", "키움증권"),
    MemberFirm("00002", "신한투자증권"),
    MemberFirm("00010", "하나증권"),
    MemberFirm("00033", "JP모간", foreign=True),
    MemberFirm("00036", "모간스탠리", foreign=True),
    MemberFirm("00045", "골드만삭스", foreign=True),
    MemberFirm("00058", "메릴린치", foreign=True),
)


class ProgramTotals(NamedTuple):
    """Program trading of an issue so far: shares and won, and what rests in the book."""

    sold: int
    sold_value: int
    bought: int
    bought_value: int
    resting_sells: int
    resting_buys: int


class Ranked(NamedTuple):
    """One firm's total on one side of an issue."""

    firm: MemberFirm
    quantity: int


def program_totals(records: IssueRecords) -> ProgramTotals:
    """Return the program trading of an issue so far."""
    key = crc32(records.listing.symbol.encode())
    average = records.value // records.volume if records.volume else 0
    sold = records.volume_sold * (80 + key % 60) // _PERMILLE
    bought = records.volume_bought * (80 + key // 60 % 60) // _PERMILLE
    return ProgramTotals(
        sold=sold,
        sold_value=sold * average,
        bought=bought,
        bought_value=bought * average,
        resting_sells=sum(quantity for _, quantity in records.asks) // 10,
        resting_buys=sum(quantity for _, quantity in records.bids) // 10,
    )


def program_record(records: IssueRecords, at: int) -> str:
    """Return the record of an issue's program trading at an instant."""
    totals = program_totals(records)
    return (
        f"{records.listing.symbol}^{records.clock(at)}^{totals.sold}^{totals.sold_value}"
        f"^{totals.bought}^{totals.bought_value}^{totals.bought - totals.sold}"
        f"^{totals.bought_value - totals.sold_value}^{totals.resting_sells}^{totals.resting_buys}"
        f"^{totals.resting_buys - totals.resting_sells}"
    )


def ranking(records: IssueRecords, *, selling: bool) -> list[Ranked]:
    """Return the five firms with the most volume on a side, most active first."""
    key = crc32(f"{records.listing.symbol}{'S' if selling else 'B'}".encode())
    volume = records.volume_sold if selling else records.volume_bought
    first, spread = key % len(FIRMS), key // len(FIRMS) % 20
    return [
        Ranked(FIRMS[(first + rank * 5) % len(FIRMS)], volume * (share + spread) // _PERMILLE)
        for rank, share in enumerate(_RANK_SHARES)
    ]


def member_record(
    records: IssueRecords, before: tuple[Sequence[int], Sequence[int]]
) -> tuple[str, tuple[list[int], list[int]]]:
    """Return the record of an issue's member firms, and the totals for the next one's changes.

    ``before`` are the totals (sells, buys) of the record before, empty for the first one.
    """
    sellers, buyers = ranking(records, selling=True), ranking(records, selling=False)
    totals = [each.quantity for each in sellers], [each.quantity for each in buyers]
    changes = [
        [now - (old[rank] if old else 0) for rank, now in enumerate(side)]
        for side, old in zip(totals, before, strict=True)
    ]
    foreign = [
        sum(each.quantity for each in side if each.firm.foreign) for side in (sellers, buyers)
    ]
    foreign_changes = [
        sum(change for each, change in zip(side, changed, strict=True) if each.firm.foreign)
        for side, changed in ((sellers, changes[0]), (buyers, changes[1]))
    ]
    volumes = (records.volume_sold, records.volume_bought)
    both = (sellers, buyers)
    columns = [
        str(records.listing.symbol),
        *(each.firm.name for side in both for each in side),
        *(str(each.quantity) for side in both for each in side),
        *("Y" if each.firm.foreign else "N" for side in both for each in side),
        *(each.firm.code for side in both for each in side),
        *(
            _share(each.quantity, volume)
            for side, volume in zip(both, volumes, strict=True)
            for each in side
        ),
        *(str(change) for side in changes for change in side),
        *(str(total) for total in foreign),
        *(str(change) for change in foreign_changes),
        str(foreign[1] - foreign[0]),
        *(_share(total, volume) for total, volume in zip(foreign, volumes, strict=True)),
        # The ten English names are empty in the live service.
        *[""] * (2 * _RANKS),
    ]
    return "^".join(columns), totals


def _share(part: int, whole: int) -> str:
    return f"{part * 100 / whole:.2f}" if whole else "0.00"
