"""Who buys and sells: investors, programs, credit, short sellers, lenders."""

from __future__ import annotations

from typing import Annotated

from events import Symbol, TradingDate
from kis_gateway.api.reading import Part, Record
from kis_gateway.api.units import At, Centipoints, Day, Named, Percent, Shares, Text, Won

_SIGN = "prdy_vrss_sign"


class Investor(Part, frozen=True, kw_only=True):
    """What a kind of investor bought and sold; ``None`` where KIS has no figure yet.

    KIS counts values in million won, so they are exact to that only.
    """

    bought: Annotated[int | None, Shares("@_shnu_vol")]
    sold: Annotated[int | None, Shares("@_seln_vol")]
    net_bought: Annotated[int | None, Shares("@_ntby_qty|@_ntby_vol")]
    bought_value: Annotated[int | None, Won("@_shnu_tr_pbmn")]
    sold_value: Annotated[int | None, Won("@_seln_tr_pbmn")]
    net_value: Annotated[int | None, Won("@_ntby_tr_pbmn")]


class NetInvestor(Part, frozen=True, kw_only=True):
    """What a kind of investor bought net of what it sold."""

    net_bought: Annotated[int | None, Shares("@_ntby_qty|@_ntby_vol")]
    net_value: Annotated[int | None, Won("@_ntby_tr_pbmn")]


class InvestorDay(Record, frozen=True, kw_only=True):
    """One day of an issue. Today's figures are blank until after the close."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    close: Annotated[int, Won("stck_clpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    individuals: Annotated[Investor, Named("prsn")]
    foreigners: Annotated[Investor, Named("frgn")]
    institutions: Annotated[Investor, Named("orgn")]


class InvestorDayInDetail(Record, frozen=True, kw_only=True):
    """One day of an issue by every kind of investor; ``institutions`` sums several of them."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    close: Annotated[int, Won("stck_clpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    individuals: Annotated[Investor, Named("prsn")]
    foreigners: Annotated[Investor, Named("frgn")]
    institutions: Annotated[Investor, Named("orgn")]
    securities: Annotated[Investor, Named("scrt")]
    investment_trusts: Annotated[Investor, Named("ivtr")]
    private_funds: Annotated[Investor, Named("pe_fund")]
    banks: Annotated[Investor, Named("bank")]
    insurers: Annotated[Investor, Named("insu")]
    merchant_banks: Annotated[Investor, Named("mrbn")]
    pension_funds: Annotated[Investor, Named("fund")]
    other_corporations: Annotated[Investor, Named("etc_corp")]
    other_organisations: Annotated[Investor, Named("etc_orgt")]


class InvestorEstimate(Record, frozen=True, kw_only=True):
    """A provisional tally of today, made by hand a few times a day.

    ``round`` is which: 1 at 09:30, 2 at 10:00, 3 at 11:20, 4 at 13:20, 5 at 14:30.
    """

    round: Annotated[str, Text("bsop_hour_gb")]
    foreigners: Annotated[int, Shares("frgn_fake_ntby_qty")]
    institutions: Annotated[int, Shares("orgn_fake_ntby_qty")]
    both: Annotated[int, Shares("sum_fake_ntby_qty")]


class InvestorRank(Record, frozen=True, kw_only=True):
    """A place in the provisional ranking by foreign and institutional net buying."""

    symbol: Annotated[Symbol, Text("mksc_shrn_iscd")]
    name: Annotated[str, Text("hts_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    net_bought: Annotated[int, Shares("ntby_qty")]
    foreigners: Annotated[NetInvestor, Named("frgn")]
    institutions: Annotated[NetInvestor, Named("orgn")]
    investment_trusts: Annotated[NetInvestor, Named("ivtr")]
    banks: Annotated[NetInvestor, Named("bank")]
    insurers: Annotated[NetInvestor, Named("insu")]
    pension_funds: Annotated[NetInvestor, Named("fund")]


class MarketInvestors(Record, frozen=True, kw_only=True):
    """Today's trading of a whole market by kind of investor."""

    individuals: Annotated[Investor, Named("prsn")]
    foreigners: Annotated[Investor, Named("frgn")]
    institutions: Annotated[Investor, Named("orgn")]
    securities: Annotated[Investor, Named("scrt")]
    investment_trusts: Annotated[Investor, Named("ivtr")]
    private_funds: Annotated[Investor, Named("pe_fund")]
    banks: Annotated[Investor, Named("bank")]
    insurers: Annotated[Investor, Named("insu")]
    merchant_banks: Annotated[Investor, Named("mrbn")]
    pension_funds: Annotated[Investor, Named("fund")]
    other_corporations: Annotated[Investor, Named("etc_corp")]
    other_organisations: Annotated[Investor, Named("etc_orgt")]


class MarketInvestorDay(Record, frozen=True, kw_only=True):
    """One day of a whole market: its index and the net buying of each kind of investor."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    index_centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    change_centipoints: Annotated[int, Centipoints("bstp_nmix_prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("bstp_nmix_prdy_ctrt", sign=_SIGN)]
    individuals: Annotated[NetInvestor, Named("prsn")]
    foreigners: Annotated[NetInvestor, Named("frgn")]
    institutions: Annotated[NetInvestor, Named("orgn")]
    securities: Annotated[NetInvestor, Named("scrt")]
    investment_trusts: Annotated[NetInvestor, Named("ivtr")]
    private_funds: Annotated[NetInvestor, Named("pe_fund")]
    banks: Annotated[NetInvestor, Named("bank")]
    insurers: Annotated[NetInvestor, Named("insu")]
    merchant_banks: Annotated[NetInvestor, Named("mrbn")]
    pension_funds: Annotated[NetInvestor, Named("fund")]
    other_corporations: Annotated[NetInvestor, Named("etc_corp")]
    other_organisations: Annotated[NetInvestor, Named("etc_orgt")]


class ProgramTrade(Record, frozen=True, kw_only=True):
    """Program trading of an issue so far today, as of ``at``."""

    at: Annotated[int, At("bsop_hour")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    sold: Annotated[int, Shares("whol_smtn_seln_vol")]
    bought: Annotated[int, Shares("whol_smtn_shnu_vol")]
    net_bought: Annotated[int, Shares("whol_smtn_ntby_qty")]
    sold_value: Annotated[int, Won("whol_smtn_seln_tr_pbmn")]
    bought_value: Annotated[int, Won("whol_smtn_shnu_tr_pbmn")]
    net_value: Annotated[int, Won("whol_smtn_ntby_tr_pbmn")]


class ProgramTradeDay(Record, frozen=True, kw_only=True):
    """Program trading of an issue on one day."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    close: Annotated[int, Won("stck_clpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    sold: Annotated[int, Shares("whol_smtn_seln_vol")]
    bought: Annotated[int, Shares("whol_smtn_shnu_vol")]
    net_bought: Annotated[int, Shares("whol_smtn_ntby_qty")]
    sold_value: Annotated[int, Won("whol_smtn_seln_tr_pbmn")]
    bought_value: Annotated[int, Won("whol_smtn_shnu_tr_pbmn")]
    net_value: Annotated[int, Won("whol_smtn_ntby_tr_pbmn")]


class ProgramValues(Part, frozen=True, kw_only=True):
    """Values of arbitrage or other program trading, exact to a million won."""

    sold_value: Annotated[int, Won("@_seln_tr_pbmn")]
    bought_value: Annotated[int, Won("@_shnu_tr_pbmn")]
    net_value: Annotated[int, Won("@_ntby_tr_pbmn")]


class MarketProgramTrade(Record, frozen=True, kw_only=True):
    """Program trading of a market so far today, as of ``at``."""

    at: Annotated[int, At("bsop_hour")]
    arbitrage: Annotated[ProgramValues, Named("arbt_smtn")]
    other: Annotated[ProgramValues, Named("nabt_smtn")]
    net_value: Annotated[int, Won("whol_smtn_ntby_tr_pbmn")]
    index_centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]


class MarketProgramTradeDay(Record, frozen=True, kw_only=True):
    """Program trading of a market on one day; proprietary and agency parts are in ``extra``."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    arbitrage: Annotated[ProgramValues, Named("arbt_smtn")]
    other: Annotated[ProgramValues, Named("nabt_smtn")]
    sold_value: Annotated[int, Won("whol_smtn_seln_tr_pbmn")]
    bought_value: Annotated[int, Won("whol_smtn_shnu_tr_pbmn")]


class CreditLine(Part, frozen=True, kw_only=True):
    """Shares bought on margin, or sold from credit stock: new, repaid and outstanding.

    Amounts are exact to ten thousand won.
    """

    new: Annotated[int, Shares("@_new_stcn")]
    repaid: Annotated[int, Shares("@_rdmp_stcn")]
    outstanding: Annotated[int, Shares("@_rmnd_stcn")]
    new_amount: Annotated[int, Won("@_new_amt")]
    repaid_amount: Annotated[int, Won("@_rdmp_amt")]
    outstanding_amount: Annotated[int, Won("@_rmnd_amt")]
    outstanding_rate: Annotated[float, Percent("@_rmnd_rate")]
    granted_rate: Annotated[float, Percent("@_gvrt")]


class CreditDay(Record, frozen=True, kw_only=True):
    """Credit in an issue on one day of trade."""

    trading_date: Annotated[TradingDate, Day("deal_date")]
    settlement_date: Annotated[TradingDate | None, Day("stlm_date")]
    close: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    margin_loans: Annotated[CreditLine, Named("whol_loan")]
    stock_loans: Annotated[CreditLine, Named("whol_stln")]


class ShortSaleDay(Record, frozen=True, kw_only=True):
    """Short selling of an issue on one day; ``rate`` is of the day's volume or value."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    close: Annotated[int, Won("stck_clpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    sold_short: Annotated[int, Shares("ssts_cntg_qty")]
    sold_short_rate: Annotated[float, Percent("ssts_vol_rlim")]
    sold_short_value: Annotated[int, Won("ssts_tr_pbmn")]
    sold_short_value_rate: Annotated[float, Percent("ssts_tr_pbmn_rlim")]
    average_price: Annotated[int, Won("avrg_prc")]


class LendingDay(Record, frozen=True, kw_only=True):
    """Securities lending of an issue on one day."""

    trading_date: Annotated[TradingDate, Day("bsop_date")]
    close: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    lent: Annotated[int, Shares("new_stcn")]
    returned: Annotated[int, Shares("rdmp_stcn")]
    outstanding: Annotated[int, Shares("rmnd_stcn")]
    outstanding_change: Annotated[int, Shares("prdy_rmnd_vrss")]
    outstanding_amount: Annotated[int, Won("rmnd_amt")]
