"""Names and number formats of the REST answer blocks, as the KIS Open API documentation lists them.

A block always answers with every one of its fields, each as text: several public clients fail on a
missing key. What the simulator does not model keeps its empty value ("" for text, "0" or "0.00" for
numbers, "N" for flags).

Notation of a table: ``name`` text, ``name:0`` integer, ``name:2`` decimal with two places,
``name:yn`` flag.
"""

from __future__ import annotations

from typing import Final

Value = str | int | float


class Block:
    """The fields of one answer block with their formats."""

    def __init__(self, table: str) -> None:
        self._places: dict[str, int] = {}
        self._empty: dict[str, str] = {}
        for token in table.split():
            name, _, kind = token.partition(":")
            self._places[name] = int(kind) if kind.isdecimal() else 0
            if kind == "yn":
                self._empty[name] = "N"
            elif kind:
                self._empty[name] = f"{0:.{int(kind)}f}"
            else:
                self._empty[name] = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The field names in documented order."""
        return tuple(self._empty)

    def row(self, **values: Value) -> dict[str, str]:
        """Return a full row: numbers as text in the field's scale, the rest empty.

        Raises:
            KeyError: a name that the block does not have.
        """
        row = self._empty.copy()
        for name, value in values.items():
            places = self._places[name]
            if isinstance(value, str):
                row[name] = value
            elif places or isinstance(value, float):
                row[name] = f"{value:.{places}f}"
            else:
                row[name] = str(value)
        return row


DAILY_ORDER: Final = Block(
    """
    ord_dt ord_gno_brno odno orgn_odno ord_dvsn_name sll_buy_dvsn_cd sll_buy_dvsn_cd_name pdno
    prdt_name ord_qty:0 ord_unpr:0 ord_tmd tot_ccld_qty:0 avg_prvs:0 cncl_yn:yn tot_ccld_amt:0
    loan_dt ordr_empno ord_dvsn_cd cnc_cfrm_qty:0 cncl_cfrm_qty:0 rmn_qty:0 rjct_qty:0
    ccld_cndt_name inqr_ip_addr cpbc_ordp_ord_rcit_dvsn_cd cpbc_ordp_infm_mthd_dvsn_cd infm_tmd
    ctac_tlno prdt_type_cd excg_dvsn_cd cpbc_ordp_mtrl_dvsn_cd ord_orgno rsvn_ord_end_dt
    excg_id_dvsn_Cd stpm_cndt_pric:0 stpm_efct_occr_dtmd
    """
)
"""inquire-daily-ccld, one order of the day."""

DAILY_ORDER_TOTALS: Final = Block(
    """
    tot_ord_qty:0 tot_ccld_qty:0 tot_ccld_amt:0 prsm_tlex_smtl:0 pchs_avg_pric:4
    """
)
"""inquire-daily-ccld, sums over the answer."""

BALANCE_HOLDING: Final = Block(
    """
    pdno prdt_name trad_dvsn_name bfdy_buy_qty:0 bfdy_sll_qty:0 thdt_buyqty:0 thdt_sll_qty:0
    hldg_qty:0 ord_psbl_qty:0 pchs_avg_pric:4 pchs_amt:0 prpr:0 evlu_amt:0 evlu_pfls_amt:0
    evlu_pfls_rt:2 evlu_erng_rt:8 loan_dt loan_amt:0 stln_slng_chgs:0 expd_dt fltt_rt:8
    bfdy_cprs_icdc:0 item_mgna_rt_name grta_rt_name sbst_pric:0 stck_loan_unpr:4
    """
)
"""inquire-balance, one issue."""

BALANCE_TOTALS: Final = Block(
    """
    dnca_tot_amt:0 nxdy_excc_amt:0 prvs_rcdl_excc_amt:0 cma_evlu_amt:0 bfdy_buy_amt:0 thdt_buy_amt:0
    nxdy_auto_rdpt_amt:0 bfdy_sll_amt:0 thdt_sll_amt:0 d2_auto_rdpt_amt:0 bfdy_tlex_amt:0
    thdt_tlex_amt:0 tot_loan_amt:0 scts_evlu_amt:0 tot_evlu_amt:0 nass_amt:0
    fncg_gld_auto_rdpt_yn:yn pchs_amt_smtl_amt:0 evlu_amt_smtl_amt:0 evlu_pfls_smtl_amt:0
    tot_stln_slng_chgs:0 bfdy_tot_asst_evlu_amt:0 asst_icdc_amt:0 asst_icdc_erng_rt:8
    """
)
"""inquire-balance, the account."""

BUYING_POWER: Final = Block(
    """
    ord_psbl_cash:0 ord_psbl_sbst:0 ruse_psbl_amt:0 fund_rpch_chgs:0 psbl_qty_calc_unpr:0
    nrcvb_buy_amt:0 nrcvb_buy_qty:0 max_buy_amt:0 max_buy_qty:0 cma_evlu_amt:0
    ovrs_re_use_amt_wcrc:0 ord_psbl_frcr_amt_wcrc:0
    """
)
"""inquire-psbl-order."""

PRICE: Final = Block(
    """
    iscd_stat_cls_code marg_rate:2 rprs_mrkt_kor_name new_hgpr_lwpr_cls_code bstp_kor_isnm
    temp_stop_yn:yn oprc_rang_cont_yn:yn clpr_rang_cont_yn:yn crdt_able_yn:yn grmn_rate_cls_code
    elw_pblc_yn:yn stck_prpr:0 prdy_vrss:0 prdy_vrss_sign prdy_ctrt:2 acml_tr_pbmn:0 acml_vol:0
    prdy_vrss_vol_rate:2 stck_oprc:0 stck_hgpr:0 stck_lwpr:0 stck_mxpr:0 stck_llam:0 stck_sdpr:0
    wghn_avrg_stck_prc:2 hts_frgn_ehrt:2 frgn_ntby_qty:0 pgtr_ntby_qty:0 pvt_scnd_dmrs_prc:0
    pvt_frst_dmrs_prc:0 pvt_pont_val:0 pvt_frst_dmsp_prc:0 pvt_scnd_dmsp_prc:0 dmrs_val:0 dmsp_val:0
    cpfn:0 rstc_wdth_prc:0 stck_fcam:0 stck_sspr:0 aspr_unit:0 hts_deal_qty_unit_val:0 lstn_stcn:0
    hts_avls:0 per:2 pbr:2 stac_month vol_tnrt:2 eps:2 bps:2 d250_hgpr:0 d250_hgpr_date
    d250_hgpr_vrss_prpr_rate:2 d250_lwpr:0 d250_lwpr_date d250_lwpr_vrss_prpr_rate:2
    stck_dryy_hgpr:0 dryy_hgpr_vrss_prpr_rate:2 dryy_hgpr_date stck_dryy_lwpr:0
    dryy_lwpr_vrss_prpr_rate:2 dryy_lwpr_date w52_hgpr:0 w52_hgpr_vrss_prpr_ctrt:2 w52_hgpr_date
    w52_lwpr:0 w52_lwpr_vrss_prpr_ctrt:2 w52_lwpr_date whol_loan_rmnd_rate:2 ssts_yn:yn
    stck_shrn_iscd fcam_cnnm cpfn_cnnm apprch_rate:2 frgn_hldn_qty:0 vi_cls_code ovtm_vi_cls_code
    last_ssts_cntg_qty:0 invt_caful_yn:yn mrkt_warn_cls_code short_over_yn:yn sltr_yn:yn
    mang_issu_cls_code
    """
)
"""inquire-price."""

DAILY_CHART_HEAD: Final = Block(
    """
    prdy_vrss:0 prdy_vrss_sign prdy_ctrt:2 stck_prdy_clpr:0 acml_vol:0 acml_tr_pbmn:0 hts_kor_isnm
    stck_prpr:0 stck_shrn_iscd prdy_vol:0 stck_mxpr:0 stck_llam:0 stck_oprc:0 stck_hgpr:0
    stck_lwpr:0 stck_prdy_oprc:0 stck_prdy_hgpr:0 stck_prdy_lwpr:0 askp:0 bidp:0 prdy_vrss_vol:0
    vol_tnrt:2 stck_fcam:0 lstn_stcn:0 cpfn:0 hts_avls:0 per:2 eps:2 pbr:2 itewhol_loan_rmnd_ratem:2
    """
)
"""inquire-daily-itemchartprice, the issue now."""

DAILY_CHART_BAR: Final = Block(
    """
    stck_bsop_date stck_clpr:0 stck_oprc:0 stck_hgpr:0 stck_lwpr:0 acml_vol:0 acml_tr_pbmn:0
    flng_cls_code prtt_rate:2 mod_yn prdy_vrss_sign prdy_vrss:0 revl_issu_reas
    """
)
"""inquire-daily-itemchartprice, one bar."""

MINUTE_CHART_HEAD: Final = Block(
    """
    prdy_vrss:0 prdy_vrss_sign prdy_ctrt:2 stck_prdy_clpr:0 acml_vol:0 acml_tr_pbmn:0 hts_kor_isnm
    stck_prpr:0
    """
)
"""inquire-time-itemchartprice, the issue now."""

MINUTE_CHART_BAR: Final = Block(
    """
    stck_bsop_date stck_cntg_hour stck_prpr:0 stck_oprc:0 stck_hgpr:0 stck_lwpr:0 cntg_vol:0
    acml_tr_pbmn:0
    """
)
"""inquire-time-itemchartprice, one minute."""

INDEX_PRICE: Final = Block(
    """
    bstp_nmix_prpr:2 bstp_nmix_prdy_vrss:2 prdy_vrss_sign bstp_nmix_prdy_ctrt:2 acml_vol:0
    prdy_vol:0 acml_tr_pbmn:0 prdy_tr_pbmn:0 bstp_nmix_oprc:2 prdy_nmix_vrss_nmix_oprc:2
    oprc_vrss_prpr_sign bstp_nmix_oprc_prdy_ctrt:2 bstp_nmix_hgpr:2 prdy_nmix_vrss_nmix_hgpr:2
    hgpr_vrss_prpr_sign bstp_nmix_hgpr_prdy_ctrt:2 bstp_nmix_lwpr:2 prdy_clpr_vrss_lwpr:2
    lwpr_vrss_prpr_sign prdy_clpr_vrss_lwpr_rate:2 ascn_issu_cnt:0 uplm_issu_cnt:0 stnr_issu_cnt:0
    down_issu_cnt:0 lslm_issu_cnt:0 dryy_bstp_nmix_hgpr:2 dryy_hgpr_vrss_prpr_rate:2
    dryy_bstp_nmix_hgpr_date dryy_bstp_nmix_lwpr:2 dryy_lwpr_vrss_prpr_rate:2
    dryy_bstp_nmix_lwpr_date total_askp_rsqn:0 total_bidp_rsqn:0 seln_rsqn_rate:2 shnu_rsqn_rate:2
    ntby_rsqn:0
    """
)
"""inquire-index-price."""

PROGRAM_TRADE: Final = Block(
    """
    bsop_hour arbt_smtn_seln_tr_pbmn:0 arbt_smtm_seln_tr_pbmn_rate:2 arbt_smtn_shnu_tr_pbmn:0
    arbt_smtm_shun_tr_pbmn_rate:2 nabt_smtn_seln_tr_pbmn:0 nabt_smtm_seln_tr_pbmn_rate:2
    nabt_smtn_shnu_tr_pbmn:0 nabt_smtm_shun_tr_pbmn_rate:2 arbt_smtn_ntby_tr_pbmn:0
    arbt_smtm_ntby_tr_pbmn_rate:2 nabt_smtn_ntby_tr_pbmn:0 nabt_smtm_ntby_tr_pbmn_rate:2
    whol_smtn_ntby_tr_pbmn:0 whol_ntby_tr_pbmn_rate:2 bstp_nmix_prpr:2 bstp_nmix_prdy_vrss:2
    prdy_vrss_sign
    """
)
"""comp-program-trade-today, one row of time."""
