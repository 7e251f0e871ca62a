"""Rankings: the market's issues in order of something, thirty at most.

Each ranking is a row of the table at the end: what it orders by for each value of its sort
parameter. Filters that rankings share (market, price range, least volume) hold everywhere; special
filters (share classes, exclusions) have nothing to exclude in a simulated market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from kis_gateway.simulator.calls.answers import Answer, quoted
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.calls.quotation_calls import listings_of, overtime_facts
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.fundamentals import company_facts
from kis_gateway.simulator.facts.issue_facts import today
from kis_gateway.simulator.facts.ranking_facts import disparity, dividend_per_share, ranked_facts
from kis_gateway.simulator.facts.synthetic_flows import credit_facts, investor_sides, short_facts
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import percent

Order = Callable[[Venue, Listing], float]

_ROWS: Final = 30
_NEAR_LIMIT: Final = 0.97


def by_volume(venue: Venue, listing: Listing) -> float:
    """Order by shares traded today."""
    return today(venue, listing).volume


def by_value(venue: Venue, listing: Listing) -> float:
    """Order by won traded today."""
    return today(venue, listing).value


def by_change(venue: Venue, listing: Listing) -> float:
    """Order by the change against the base price."""
    return percent(today(venue, listing).close - listing.base_price, listing.base_price)


def by_worth(venue: Venue, listing: Listing) -> float:
    """Order by market value."""
    return today(venue, listing).close * listing.listed_shares


def by_turnover_rate(venue: Venue, listing: Listing) -> float:
    """Order by shares traded relative to those listed."""
    return percent(today(venue, listing).volume, listing.listed_shares)


def by_strength(venue: Venue, listing: Listing) -> float:
    """Order by shares bought actively relative to those sold actively."""
    tape = venue.tapes[listing.symbol]
    return percent(tape.volume_bought, tape.volume_sold)


def by_resting_orders(venue: Venue, listing: Listing) -> float:
    """Order by what bids exceed asks."""
    tape = venue.tapes[listing.symbol]
    return sum(each[1] for each in tape.bids) - sum(each[1] for each in tape.asks)


def by_disparity(venue: Venue, listing: Listing) -> float:
    """Order by the price relative to its mean of twenty sessions."""
    history = venue.market.daily_history(listing.symbol)
    return disparity(today(venue, listing), history, 20)


def by_nearness_to_high(venue: Venue, listing: Listing) -> float:
    """Order by how near the price is to the highest one known."""
    history = venue.market.daily_history(listing.symbol)
    price = today(venue, listing).close
    return price / max([bar.high for bar in history] + [price])


def by_expected_change(venue: Venue, listing: Listing) -> float:
    """Order by the change of the last indicative match."""
    price, _ = venue.tapes[listing.symbol].expected
    return percent(price - listing.base_price, listing.base_price) if price else 0.0


def by_trades(venue: Venue, listing: Listing) -> float:
    """Order by the number of trades."""
    tape = venue.tapes[listing.symbol]
    return tape.buys + tape.sells


def by_dividend(_: Venue, listing: Listing) -> float:
    """Order by dividend relative to the price."""
    return percent(dividend_per_share(listing), listing.base_price)


def by_earnings(_: Venue, listing: Listing) -> float:
    """Order by earnings relative to the price."""
    return -float(company_facts(listing)["per"])


def by_short_sales(venue: Venue, listing: Listing) -> float:
    """Order by the part of the volume that was sold short."""
    bar = today(venue, listing)
    return float(short_facts(listing, bar, bar.close)["ssts_vol_rlim"])


def by_credit(venue: Venue, listing: Listing) -> float:
    """Order by the part of the listed shares that was bought on credit."""
    return float(credit_facts(listing, today(venue, listing))["whol_loan_rmnd_rate"])


def by_net_buying(investor: str) -> Order:
    """Order by the net buying of a kind of investor."""

    def order(venue: Venue, listing: Listing) -> float:
        sold, bought = investor_sides(listing.symbol, today(venue, listing))[investor]
        return bought - sold

    return order


def falling(order: Order) -> Order:
    """Turn an order round."""
    return lambda venue, listing: -order(venue, listing)


class Ranking(msgspec.Struct, frozen=True):
    """One ranking: by which parameter's values it is ordered by what; ``""`` is the default."""

    name: str
    orders: Mapping[str, Order]
    parameter: str = "FID_RANK_SORT_CLS_CODE"
    keep: Callable[[Venue, Listing, Call], bool] | None = None

    def __call__(self, venue: Venue, call: Call) -> Answer:
        """Answer the call."""
        chosen = call.text(self.parameter, "")
        order = self.orders.get(chosen, self.orders[""])
        found = [
            listing
            for listing in listings_of(venue, call.text("FID_INPUT_ISCD", "0000"))
            if _within(venue, listing, call)
            and (self.keep is None or self.keep(venue, listing, call))
        ]
        found.sort(key=lambda each: order(venue, each), reverse=True)
        whole = sum(by_worth(venue, each) for each in venue.market.listings)
        rows = []
        for rank, listing in enumerate(found[:_ROWS], 1):
            placed: dict[str, Value] = {
                "data_rank": rank,
                "rank": str(rank),
                "mrkt_whol_avls_rlim": percent(by_worth(venue, listing), whole),
            }
            rows.append(
                {**ranked_facts(venue, listing), **overtime_facts(venue, listing), **placed}
            )
        return _answer(self.name, rows)


def _answer(name: str, rows: list[dict[str, Value]]) -> Answer:
    """Return the rows in the call's list; a head beside it is empty but complete."""
    blocks: dict[str, object] = {}
    for key in ("output", "output1", "output2"):
        try:
            form = block(name, key)
        except KeyError:
            continue
        head = key == "output1" and name in _WITH_HEAD
        if head:
            blocks[key] = [] if form.is_list else form.row()
        else:
            blocks[key] = [form.pick(row) for row in rows]
    return quoted(**blocks)


def _within(venue: Venue, listing: Listing, call: Call) -> bool:
    price = today(venue, listing).close
    lowest, highest = (call.text(f"FID_INPUT_PRICE_{number}", "") for number in (1, 2))
    least = call.text("FID_VOL_CNT", "")
    return (
        (not lowest.isdecimal() or price >= int(lowest))
        and (not highest.isdecimal() or int(highest) == 0 or price <= int(highest))
        and (not least.isdecimal() or today(venue, listing).volume >= int(least))
    )


def _at_limit(venue: Venue, listing: Listing, call: Call) -> bool:
    price, upper = today(venue, listing).close, call.text("FID_PRC_CLS_CODE", "0") == "0"
    near = call.text("FID_DIV_CLS_CODE", "0") != "0"
    if upper:
        return price >= listing.upper_limit * (_NEAR_LIMIT if near else 1)
    return price <= listing.lower_limit * (2 - _NEAR_LIMIT if near else 1)


def _none(venue: Venue, listing: Listing, call: Call) -> bool:
    return False


_WITH_HEAD: Final = frozenset({"credit-balance", "overtime-volume", "overtime-fluctuation"})
_CHANGES: Final = {"": by_change, "1": falling(by_change)}

RANKINGS: Final = {
    each.name: each
    for each in (
        Ranking(
            "volume-rank",
            {"": by_volume, "1": by_volume, "2": by_turnover_rate, "3": by_value, "4": by_value},
            "FID_BLNG_CLS_CODE",
        ),
        Ranking("market-cap", {"": by_worth}),
        Ranking("fluctuation", {**_CHANGES, "3": falling(by_change)}),
        Ranking("capture-uplowprice", {"": by_volume}, keep=_at_limit),
        Ranking("exp-trans-updown", {"": by_expected_change, "1": falling(by_expected_change)}),
        Ranking("quote-balance", {"": by_resting_orders, "1": falling(by_resting_orders)}),
        Ranking("credit-balance", {"": by_credit}),
        Ranking("dividend-rate", {"": by_dividend}),
        Ranking("short-sale", {"": by_short_sales}),
        Ranking("disparity", {"": by_disparity, "1": falling(by_disparity)}),
        Ranking("profit-asset-index", {"": by_worth}),
        Ranking(
            "near-new-highlow",
            {"": by_nearness_to_high, "1": falling(by_nearness_to_high)},
            "FID_PRC_CLS_CODE",
        ),
        # There are no preferred shares and no after-hours single-price market to rank.
        Ranking("prefer-disparate-ratio", {"": by_worth}, keep=_none),
        Ranking("overtime-exp-trans-fluct", {"": by_change}, keep=_none),
        Ranking("overtime-volume", {"": by_volume}, keep=_none),
        Ranking("overtime-fluctuation", {"": by_change}, keep=_none),
        Ranking("after-hour-balance", {"": by_volume}, keep=_none),
        Ranking("bulk-trans-num", {"": by_trades}),
        Ranking("finance-ratio", {"": by_earnings}),
        Ranking("traded-by-company", {"": by_volume}),
        Ranking("market-value", {"": by_earnings}),
        Ranking("top-interest-stock", {"": by_value}),
        Ranking("volume-power", {"": by_strength}),
        Ranking("hts-top-view", {"": by_value}),
        Ranking(
            "foreign-institution-total",
            {"": by_net_buying("frgn"), "2": by_net_buying("orgn")},
            "FID_ETC_CLS_CODE",
        ),
        Ranking(
            "frgnmem-trade-estimate",
            {"": by_net_buying("frgn"), "1": falling(by_net_buying("frgn"))},
        ),
        Ranking("credit-by-company", {"": by_worth}),
    )
}
"""Every ranking by the name of its call."""
