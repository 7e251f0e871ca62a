"""Who answers each documented call, by its name in the protocol's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kis_gateway.simulator.calls import (
    account_calls,
    chart_calls,
    contract_calls,
    etf_calls,
    flow_calls,
    index_calls,
    order_inquiry_calls,
    profit_calls,
    quotation_calls,
    reference_calls,
    tape_calls,
    trading_calls,
)
from kis_gateway.simulator.calls.answers import Answer
from kis_gateway.simulator.calls.flow_calls import daily_flow, firm_trades
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.calls.ranking_calls import RANKINGS
from kis_gateway.simulator.calls.reference_calls import company_years, nothing
from kis_gateway.simulator.venue import Venue

_LONG: Final = 100

_EMPTY: Final = (
    "bonus-issue",
    "cap-dcrs",
    "dividend",
    "forfeit",
    "intstock-grouplist",
    "intstock-stocklist-by-group",
    "invest-opbysec",
    "invest-opinion",
    "list-info",
    "mand-deposit",
    "merger-split",
    "news-title",
    "paidin-capin",
    "psearch-result",
    "psearch-title",
    "pub-offer",
    "purreq",
    "rev-split",
    "sharehld-meet",
)
_BUSINESS_YEARS: Final = (
    "balance-sheet",
    "financial-ratio",
    "growth-ratio",
    "income-statement",
    "other-major-ratios",
    "profit-ratio",
    "stability-ratio",
)

ANSWERS: Final[Mapping[str, Callable[[Venue, Call], Answer]]] = {
    # Orders and the account
    "order-cash": trading_calls.order_cash,
    "order-rvsecncl": trading_calls.order_rvsecncl,
    "order-credit": contract_calls.order_credit,
    "order-resv": contract_calls.order_resv,
    "order-resv-rvsecncl": contract_calls.order_resv,
    "order-resv-ccnl": contract_calls.nothing_of_account("order-resv-ccnl"),
    "period-rights": contract_calls.nothing_of_account("period-rights"),
    "inquire-daily-ccld": order_inquiry_calls.inquire_daily_ccld,
    "inquire-psbl-rvsecncl": order_inquiry_calls.inquire_psbl_rvsecncl,
    "inquire-balance": account_calls.inquire_balance,
    "inquire-balance-rlz-pl": account_calls.inquire_balance_rlz_pl,
    "inquire-psbl-order": account_calls.inquire_psbl_order,
    "inquire-psbl-sell": account_calls.inquire_psbl_sell,
    "inquire-credit-psamount": account_calls.inquire_credit_psamount,
    "inquire-account-balance": account_calls.inquire_account_balance,
    "intgr-margin": account_calls.intgr_margin,
    "inquire-period-profit": profit_calls.inquire_period_profit,
    "inquire-period-trade-profit": profit_calls.inquire_period_trade_profit,
    # One issue
    "inquire-price": quotation_calls.inquire_price,
    "inquire-price-2": quotation_calls.inquire_price_2,
    "inquire-asking-price-exp-ccn": quotation_calls.inquire_asking_price,
    "inquire-ccnl": quotation_calls.inquire_ccnl,
    "inquire-time-itemconclusion": quotation_calls.inquire_time_itemconclusion,
    "intstock-multprice": quotation_calls.intstock_multprice,
    "inquire-overtime-price": quotation_calls.inquire_overtime_price,
    "inquire-overtime-asking-price": quotation_calls.inquire_overtime_asking_price,
    "inquire-time-overtimeconclusion": quotation_calls.inquire_time_overtimeconclusion,
    "inquire-daily-overtimeprice": quotation_calls.inquire_daily_overtimeprice,
    "exp-closing-price": quotation_calls.exp_closing_price,
    "exp-price-trend": tape_calls.exp_price_trend,
    "pbar-tratio": tape_calls.pbar_tratio,
    "tradprt-byamt": tape_calls.tradprt_byamt,
    "inquire-daily-price": chart_calls.inquire_daily_price,
    "inquire-daily-itemchartprice": chart_calls.inquire_daily_chart,
    "inquire-time-itemchartprice": chart_calls.inquire_minute_chart,
    "inquire-time-dailychartprice": chart_calls.inquire_past_minute_chart,
    # Flows
    "inquire-investor": daily_flow("inquire-investor"),
    "investor-trade-by-stock-daily": daily_flow("investor-trade-by-stock-daily", _LONG),
    "inquire-member-daily": daily_flow("inquire-member-daily"),
    "inquire-daily-trade-volume": daily_flow("inquire-daily-trade-volume", _LONG),
    "program-trade-by-stock-daily": daily_flow("program-trade-by-stock-daily"),
    "daily-credit-balance": daily_flow("daily-credit-balance"),
    "daily-short-sale": daily_flow("daily-short-sale", _LONG),
    "daily-loan-trans": daily_flow("daily-loan-trans", _LONG),
    "investor-trend-estimate": flow_calls.investor_trend_estimate,
    "inquire-member": flow_calls.inquire_member,
    "program-trade-by-stock": flow_calls.program_trade_by_stock,
    "comp-program-trade-today": flow_calls.comp_program_trade_today,
    "comp-program-trade-daily": flow_calls.comp_program_trade_daily,
    "investor-program-trade-today": flow_calls.investor_program_trade_today,
    "inquire-investor-daily-by-market": flow_calls.investor_daily_by_market,
    "inquire-investor-time-by-market": flow_calls.investor_time_by_market,
    "frgnmem-trade-trend": firm_trades("frgnmem-trade-trend"),
    "frgnmem-pchs-trend": firm_trades("frgnmem-pchs-trend"),
    # Indices
    "inquire-index-price": index_calls.inquire_index_price,
    "inquire-index-daily-price": index_calls.inquire_index_daily_price,
    "inquire-index-timeprice": index_calls.inquire_index_timeprice,
    "inquire-index-tickprice": index_calls.inquire_index_tickprice,
    "inquire-index-category-price": index_calls.inquire_index_category_price,
    "inquire-daily-indexchartprice": index_calls.inquire_daily_index_chart,
    "inquire-time-indexchartprice": index_calls.inquire_time_index_chart,
    "exp-index-trend": index_calls.exp_index_trend,
    "exp-total-index": index_calls.exp_total_index,
    # Funds
    "etf-inquire-price": etf_calls.etf_inquire_price,
    "etf-inquire-asking-price": etf_calls.etf_inquire_asking_price,
    "nav-comparison-trend": etf_calls.nav_comparison_trend,
    "nav-comparison-time-trend": etf_calls.nav_comparison_time_trend,
    "nav-comparison-daily-trend": etf_calls.nav_comparison_daily_trend,
    "inquire-component-stock-price": etf_calls.inquire_component_stock_price,
    # Reference
    "chk-holiday": reference_calls.chk_holiday,
    "estimate-perform": reference_calls.estimate_perform,
    "inquire-vi-status": reference_calls.inquire_vi_status,
    "lendable-by-company": reference_calls.lendable_by_company,
    "market-time": reference_calls.market_time,
    "mktfunds": reference_calls.mktfunds,
    "search-info": reference_calls.search_info,
    "search-stock-info": reference_calls.search_stock_info,
    **{name: company_years(name) for name in _BUSINESS_YEARS},
    **{name: nothing(name) for name in _EMPTY},
    **RANKINGS,
}
