-- Views over the read models. "Today" is an account's newest trading date, never the server's date;
-- "now" is the log's own clock (checkpoint.log_time), so a faster or replayed run reads right too.
-- Times are shown in KST.

CREATE VIEW v_today AS
SELECT p.account,
       coalesce(max(p.trading_date) FILTER (WHERE p.open_at IS NOT NULL),
                max(p.trading_date)) AS trading_date
FROM risk_daily_portfolio p
GROUP BY p.account;
COMMENT ON VIEW v_today IS 'Newest opened trading date of each account.';

CREATE VIEW v_live_positions AS
WITH owned AS (
    SELECT account, symbol,
           sum(quantity)::BIGINT AS allocated,
           (sum(quantity) FILTER (WHERE strategy = 'KMP'))::BIGINT AS kmp,
           (sum(quantity) FILTER (WHERE strategy = 'KPR'))::BIGINT AS kpr,
           (sum(quantity) FILTER (WHERE strategy = 'NULRIMOK'))::BIGINT AS nulrimok,
           (sum(quantity) FILTER (WHERE strategy = 'PCIM'))::BIGINT AS pcim,
           (sum(quantity) FILTER (WHERE strategy = '_UNKNOWN_'))::BIGINT AS unknown,
           (sum(quantity) FILTER (WHERE strategy = '_EXTERNAL_'))::BIGINT AS external,
           jsonb_object_agg(strategy, quantity) FILTER (WHERE quantity <> 0) AS owners,
           max(hard_stop) FILTER (WHERE quantity > 0) AS hard_stop,
           max(protective_stop) FILTER (WHERE quantity > 0) AS protective_stop
    FROM allocations
    GROUP BY account, symbol
), ordered AS (
    SELECT account, symbol, string_agg(DISTINCT strategy, ', ' ORDER BY strategy) AS buyers
    FROM orders
    WHERE side = 'buy'
      AND state IN ('held', 'submitting', 'unknown', 'accepted', 'partially_filled')
    GROUP BY account, symbol
)
SELECT account, symbol,
       coalesce(p.quantity, 0) AS quantity,
       p.sellable, p.mean_price, p.last_price, p.unrealized,
       o.protective_stop, o.hard_stop,
       coalesce(p.frozen, FALSE) OR EXISTS (
           SELECT FROM controls c
           WHERE c.account = coalesce(p.account, o.account) AND c.control = 'freeze_symbol'
             AND c.scope = coalesce(p.symbol, o.symbol) AND c.active) AS frozen,
       b.buyers AS entries_working_for,
       coalesce(o.allocated, 0) AS allocated,
       coalesce(o.kpr, 0) AS kpr, coalesce(o.kmp, 0) AS kmp,
       coalesce(o.nulrimok, 0) AS nulrimok, coalesce(o.pcim, 0) AS pcim,
       coalesce(o.unknown, 0) AS unknown, coalesce(o.external, 0) AS external,
       coalesce(o.owners, '{}'::JSONB) AS owners,
       coalesce(p.drift, 0) AS drift,
       p.synced_time AT TIME ZONE 'Asia/Seoul' AS synced_kst
FROM positions p
FULL JOIN owned o USING (account, symbol)
LEFT JOIN ordered b USING (account, symbol)
WHERE coalesce(p.quantity, 0) <> 0 OR coalesce(p.frozen, FALSE)
   OR coalesce(o.owners, '{}'::JSONB) <> '{}'::JSONB;
COMMENT ON VIEW v_live_positions IS
    'Symbols held, owned or frozen: broker quantity beside what each strategy owns. Broker figures are as of synced_kst.';

CREATE VIEW v_live_allocations AS
SELECT a.account, a.symbol, a.strategy, a.quantity, a.mean_cost, a.cost,
       p.last_price, a.quantity * p.last_price - a.cost AS unrealized,
       a.protective_stop, a.hard_stop, a.trade_id,
       coalesce(p.frozen, FALSE) AS frozen, coalesce(p.drift, 0) AS drift,
       a.entered_time AT TIME ZONE 'Asia/Seoul' AS entered_kst
FROM allocations a
LEFT JOIN positions p USING (account, symbol)
WHERE a.quantity <> 0;
COMMENT ON VIEW v_live_allocations IS 'Shares by owner with their cost and stops.';

CREATE VIEW v_working_orders AS
SELECT o.account, o.order_id, o.strategy, o.symbol, o.side, o.kind, o.state,
       o.quantity, o.filled_quantity, o.quantity - o.filled_quantity AS remaining,
       o.limit_price, o.stop_price, o.mean_fill_price, o.broker_order,
       o.cancel_state, o.cancel_attempts,
       round((c.log_at - coalesce(o.submitted_at, o.held_at)) / 1e9, 1) AS age_seconds,
       round((o.cancel_at - c.log_at) / 1e9, 1) AS seconds_to_cancel,
       o.submitted_time AT TIME ZONE 'Asia/Seoul' AS submitted_kst
FROM orders o
JOIN checkpoint c USING (account)
WHERE o.state IN ('held', 'submitting', 'unknown', 'accepted', 'partially_filled');
COMMENT ON VIEW v_working_orders IS 'Orders that may still be filled, age by the log''s clock.';

CREATE VIEW v_today_intents AS
SELECT i.account, i.trading_date, i.strategy, i.kind,
       count(*) AS total,
       count(*) FILTER (WHERE i.orders > 0) AS executed,
       count(*) FILTER (WHERE i.status = 'approved') AS approved,
       count(*) FILTER (WHERE i.status = 'modified') AS modified,
       count(*) FILTER (WHERE i.status = 'rejected') AS rejected,
       count(*) FILTER (WHERE i.status = 'deferred') AS deferred,
       count(*) FILTER (WHERE i.status = 'expired') AS expired
FROM intents i
JOIN v_today USING (account, trading_date)
GROUP BY i.account, i.trading_date, i.strategy, i.kind;
COMMENT ON VIEW v_today_intents IS
    'Today''s intents by strategy and kind. Executed: handed to the broker, not filled.';

CREATE VIEW v_today_risk AS
SELECT p.account, p.trading_date, 'PORTFOLIO' AS entity,
       p.equity, p.realized_gross, p.fees, p.tax, p.realized_net, p.unrealized,
       p.day_pnl, p.day_pnl_percent, p.gross_exposure, p.gross_percent,
       p.positions AS positions_or_trades, p.max_drawdown,
       p.halted, p.halt_reason, coalesce(p.regime, 'normal') AS regime,
       EXISTS (SELECT FROM controls c WHERE c.account = p.account
               AND c.control = 'safe_mode' AND c.active) AS safe_mode,
       p.phase
FROM risk_daily_portfolio p
JOIN v_today USING (account, trading_date)
UNION ALL
SELECT s.account, s.trading_date, s.strategy,
       NULL, s.realized_gross, s.fees, s.tax, s.realized_net, s.unrealized,
       s.realized_net + s.unrealized, NULL, s.exposure, NULL,
       s.trades_closed, s.max_drawdown,
       s.halted, s.halt_reason, NULL, NULL, NULL
FROM risk_daily_strategy s
JOIN v_today USING (account, trading_date);
COMMENT ON VIEW v_today_risk IS
    'Today''s result and exposure of the whole account and of each strategy; positions_or_trades counts positions, for strategies closed trades.';

CREATE VIEW v_active_halts AS
SELECT account, control, scope, reason, issued_by,
       changed_time AT TIME ZONE 'Asia/Seoul' AS since_kst
FROM controls
WHERE active;
COMMENT ON VIEW v_active_halts IS 'Brakes that are set now. No brake stops an exit.';

CREATE VIEW v_recent_trades AS
SELECT t.account, t.trade_id, t.strategy, t.symbol, t.trading_date, t.status,
       t.entry_quantity, t.entry_price, t.exit_quantity, t.exit_price,
       t.gross_pnl, t.entry_fee + t.exit_fee AS fees, t.exit_tax AS tax, t.net_pnl,
       round(t.net_pnl * 100::NUMERIC / nullif(t.entry_amount, 0), 4) AS net_percent,
       t.initial_stop, t.realized_r, t.entry_reason, t.exit_reason,
       round((t.lowest_price - t.entry_price) * 100 / nullif(t.entry_price, 0), 4) AS mae_percent,
       round((t.highest_price - t.entry_price) * 100 / nullif(t.entry_price, 0), 4) AS mfe_percent,
       round((t.exit_price - t.entry_price)
             / nullif(t.highest_price - t.entry_price, 0), 4) AS capture_ratio,
       round((coalesce(t.closed_at, c.log_at) - t.entered_at) / 1e9) AS seconds,
       t.entered_time AT TIME ZONE 'Asia/Seoul' AS entered_kst,
       t.closed_time AT TIME ZONE 'Asia/Seoul' AS closed_kst
FROM trades t
JOIN checkpoint c USING (account)
WHERE t.status = 'open' OR t.closed_time > c.log_time - INTERVAL '7 days';
COMMENT ON VIEW v_recent_trades IS
    'Open trades and those closed in the last 7 days; MAE and MFE from fills and account snapshots.';

CREATE VIEW v_strategy_performance AS
SELECT t.account, t.strategy,
       count(*) AS trades,
       count(*) FILTER (WHERE t.status = 'closed') AS closed,
       coalesce(sum(t.net_pnl), 0)::BIGINT AS net_pnl,
       round(avg(t.realized_r), 4) AS mean_r,
       count(*) FILTER (WHERE t.status = 'closed' AND t.net_pnl > 0) AS wins,
       count(*) FILTER (WHERE t.status = 'closed' AND t.net_pnl <= 0) AS losses,
       round(count(*) FILTER (WHERE t.status = 'closed' AND t.net_pnl > 0) * 100::NUMERIC
             / nullif(count(*) FILTER (WHERE t.status = 'closed'), 0), 2) AS win_percent
FROM trades t
JOIN checkpoint c USING (account)
WHERE t.status = 'open' OR t.closed_time > c.log_time - INTERVAL '30 days'
GROUP BY t.account, t.strategy;
COMMENT ON VIEW v_strategy_performance IS
    'Each strategy''s trades of the last 30 days; a trade that made nothing counts as a loss.';

CREATE VIEW v_fill_quality AS
SELECT o.account, o.strategy, o.symbol, o.kind, o.side,
       count(*) AS orders,
       sum(o.filled_quantity)::BIGINT AS shares,
       round(avg((o.mean_fill_price - o.limit_price) * 10000 / o.limit_price * d.sign), 2)
           AS mean_bps_to_limit,
       round(max((o.mean_fill_price - o.limit_price) * 10000 / o.limit_price * d.sign), 2)
           AS worst_bps_to_limit,
       round(avg((o.mean_fill_price - o.reference_price) * 10000 / o.reference_price * d.sign), 2)
           AS mean_bps_to_reference,
       round(max((o.mean_fill_price - o.reference_price) * 10000 / o.reference_price * d.sign), 2)
           AS worst_bps_to_reference
FROM orders o
JOIN checkpoint c USING (account)
CROSS JOIN LATERAL (SELECT CASE o.side WHEN 'buy' THEN 1 ELSE -1 END AS sign) d
WHERE o.filled_quantity > 0 AND o.updated_time > c.log_time - INTERVAL '7 days'
GROUP BY o.account, o.strategy, o.symbol, o.kind, o.side;
COMMENT ON VIEW v_fill_quality IS
    'Mean fill price of each order against its limit and against the price the strategy saw, last 7 days, basis points, adverse positive.';

CREATE VIEW v_service_health AS
SELECT s.account, s.service, s.mode,
       round((c.log_at - s.heartbeat_at) / 1e9, 1) AS seconds_since_heartbeat,
       CASE WHEN s.mode = 'stopped' THEN 'STOPPED'
            WHEN c.log_at - s.heartbeat_at < 60000000000 THEN 'HEALTHY'
            WHEN c.log_at - s.heartbeat_at < 300000000000 THEN 'WARNING'
            ELSE 'CRITICAL' END AS health,
       (SELECT count(*) FROM conditions d
        WHERE d.account = s.account AND d.service = s.service AND d.active) AS open_conditions,
       s.position, greatest(c.last_sequence - s.position, 0) AS behind, s.figures, s.code_version,
       s.heartbeat_time AT TIME ZONE 'Asia/Seoul' AS heartbeat_kst,
       c.log_time AT TIME ZONE 'Asia/Seoul' AS log_kst
FROM service_state s
JOIN checkpoint c USING (account);
COMMENT ON VIEW v_service_health IS
    'Age of each service''s last sign of life by the log''s clock. Compare log_kst with the run''s clock: when the log itself stands still, so do these ages.';

CREATE VIEW v_conditions AS
SELECT account, service, condition, active, detail, times,
       begun_time AT TIME ZONE 'Asia/Seoul' AS begun_kst,
       ended_time AT TIME ZONE 'Asia/Seoul' AS ended_kst
FROM conditions;
COMMENT ON VIEW v_conditions IS 'Degradations, feed gaps and divergences, open ones first to look at.';
