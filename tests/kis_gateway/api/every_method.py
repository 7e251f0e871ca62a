"""One use of every method of the API, and the calls that paper accounts have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from events import Symbol, TradingDate
from events.trading import Side
from kis_gateway.api import KisApi

from .protocol_answers import DAY, HALF_PAST_NINE, SYMBOL, TEN

ISSUE = Symbol(SYMBOL)
TODAY = TradingDate(DAY)

Use = Callable[[KisApi], Awaitable[Any]]

ORDER_METHODS: dict[str, Use] = {
    "orders.submit": lambda api: api.orders.submit(Side.BUY, ISSUE, 10, price=70_000),
    "orders.amend": lambda api: api.orders.amend("0000000001", "00950", price=70_100),
    "orders.cancel": lambda api: api.orders.cancel("0000000001", "00950"),
}

INQUIRIES: dict[str, tuple[str, Use]] = {
    "account.modifiable_orders": (
        "inquire-psbl-rvsecncl",
        lambda api: api.account.modifiable_orders(),
    ),
    "account.executions": (
        "inquire-daily-ccld",
        lambda api: api.account.executions(TODAY, TODAY),
    ),
    "account.balance": ("inquire-balance", lambda api: api.account.balance()),
    "account.balance_with_profit": (
        "inquire-balance-rlz-pl",
        lambda api: api.account.balance_with_profit(),
    ),
    "account.buying_power": (
        "inquire-psbl-order",
        lambda api: api.account.buying_power(ISSUE, 70_000),
    ),
    "account.sellable": ("inquire-psbl-sell", lambda api: api.account.sellable(ISSUE)),
    "account.assets": ("inquire-account-balance", lambda api: api.account.assets()),
    "account.profit_by_day": (
        "inquire-period-profit",
        lambda api: api.account.profit_by_day(TODAY, TODAY),
    ),
    "account.profit_by_trade": (
        "inquire-period-trade-profit",
        lambda api: api.account.profit_by_trade(TODAY, TODAY),
    ),
    "prices.last": ("inquire-price", lambda api: api.prices.last(ISSUE)),
    "prices.status": ("inquire-price-2", lambda api: api.prices.status(ISSUE)),
    "prices.book": ("inquire-asking-price-exp-ccn", lambda api: api.prices.book(ISSUE)),
    "prices.recent_trades": ("inquire-ccnl", lambda api: api.prices.recent_trades(ISSUE)),
    "prices.trades": (
        "inquire-time-itemconclusion",
        lambda api: api.prices.trades(ISSUE, HALF_PAST_NINE, TEN),
    ),
    "prices.daily": ("inquire-daily-price", lambda api: api.prices.daily(ISSUE)),
    "prices.watched": ("intstock-multprice", lambda api: api.prices.watched([ISSUE])),
    "prices.expected_closes": ("exp-closing-price", lambda api: api.prices.expected_closes()),
    "prices.after_hours": ("inquire-overtime-price", lambda api: api.prices.after_hours(ISSUE)),
    "prices.after_hours_book": (
        "inquire-overtime-asking-price",
        lambda api: api.prices.after_hours_book(ISSUE),
    ),
    "prices.member_firms": ("inquire-member", lambda api: api.prices.member_firms(ISSUE)),
    "charts.bars": (
        "inquire-daily-itemchartprice",
        lambda api: api.charts.bars(ISSUE, TODAY, TODAY),
    ),
    "charts.minutes_today": (
        "inquire-time-itemchartprice",
        lambda api: api.charts.minutes_today(ISSUE),
    ),
    "charts.minutes_of": (
        "inquire-time-dailychartprice",
        lambda api: api.charts.minutes_of(ISSUE, TODAY),
    ),
    "flows.investors": ("inquire-investor", lambda api: api.flows.investors(ISSUE)),
    "flows.investors_in_detail": (
        "investor-trade-by-stock-daily",
        lambda api: api.flows.investors_in_detail(ISSUE, TODAY, TODAY),
    ),
    "flows.investor_estimate": (
        "investor-trend-estimate",
        lambda api: api.flows.investor_estimate(ISSUE),
    ),
    "flows.investor_ranking": (
        "foreign-institution-total",
        lambda api: api.flows.investor_ranking(),
    ),
    "flows.market_investors": (
        "inquire-investor-time-by-market",
        lambda api: api.flows.market_investors("KOSPI"),
    ),
    "flows.market_investor_days": (
        "inquire-investor-daily-by-market",
        lambda api: api.flows.market_investor_days("KOSPI", TODAY, TODAY),
    ),
    "flows.program": ("program-trade-by-stock", lambda api: api.flows.program(ISSUE)),
    "flows.program_days": (
        "program-trade-by-stock-daily",
        lambda api: api.flows.program_days(ISSUE, TODAY, TODAY),
    ),
    "flows.market_program": (
        "comp-program-trade-today",
        lambda api: api.flows.market_program("KOSPI"),
    ),
    "flows.market_program_days": (
        "comp-program-trade-daily",
        lambda api: api.flows.market_program_days("KOSPI", TODAY, TODAY),
    ),
    "flows.credit": (
        "daily-credit-balance",
        lambda api: api.flows.credit(ISSUE, TODAY, TODAY),
    ),
    "flows.short_sales": (
        "daily-short-sale",
        lambda api: api.flows.short_sales(ISSUE, TODAY, TODAY),
    ),
    "flows.lending": ("daily-loan-trans", lambda api: api.flows.lending(ISSUE, TODAY, TODAY)),
    "indices.now": ("inquire-index-price", lambda api: api.indices.now("KOSPI")),
    "indices.days": (
        "inquire-index-daily-price",
        lambda api: api.indices.days("KOSPI", TODAY, TODAY),
    ),
    "indices.minutes": ("inquire-index-timeprice", lambda api: api.indices.minutes("KOSPI")),
    "indices.seconds": ("inquire-index-tickprice", lambda api: api.indices.seconds("KOSPI")),
    "indices.chart": (
        "inquire-daily-indexchartprice",
        lambda api: api.indices.chart("KOSPI", TODAY, TODAY),
    ),
    "indices.time_chart": (
        "inquire-time-indexchartprice",
        lambda api: api.indices.time_chart("KOSPI"),
    ),
    "indices.sectors": (
        "inquire-index-category-price",
        lambda api: api.indices.sectors("KOSPI"),
    ),
    "rankings.by_volume": ("volume-rank", lambda api: api.rankings.by_volume()),
    "rankings.by_market_cap": ("market-cap", lambda api: api.rankings.by_market_cap()),
    "rankings.by_change": ("fluctuation", lambda api: api.rankings.by_change()),
    "rankings.at_limit": ("capture-uplowprice", lambda api: api.rankings.at_limit()),
    "reference.calendar": (
        "chk-holiday",
        lambda api: api.reference.calendar(TODAY, TODAY),
    ),
    "reference.volatility_interruptions": (
        "inquire-vi-status",
        lambda api: api.reference.volatility_interruptions(TODAY),
    ),
    "reference.stock": ("search-stock-info", lambda api: api.reference.stock(ISSUE)),
    "reference.product": ("search-info", lambda api: api.reference.product(ISSUE)),
    "reference.news": ("news-title", lambda api: api.reference.news(HALF_PAST_NINE)),
    "reference.market_funds": (
        "mktfunds",
        lambda api: api.reference.market_funds(TODAY, TODAY),
    ),
    "etf.price": ("etf-inquire-price", lambda api: api.etf.price(ISSUE)),
    "etf.nav": ("nav-comparison-trend", lambda api: api.etf.nav(ISSUE)),
    "etf.nav_by_time": ("nav-comparison-time-trend", lambda api: api.etf.nav_by_time(ISSUE)),
    "etf.nav_by_day": (
        "nav-comparison-daily-trend",
        lambda api: api.etf.nav_by_day(ISSUE, TODAY, TODAY),
    ),
    "etf.components": (
        "inquire-component-stock-price",
        lambda api: api.etf.components(ISSUE),
    ),
}
