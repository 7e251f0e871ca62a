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
), protected AS (
    SELECT a.account, a.symbol,
           jsonb_object_agg(a.strategy, s.state) FILTER (WHERE s.state IS NOT NULL) AS stop_states,
           bool_or(coalesce(s.state, '') IN ('missing', 'failed')
                   OR a.protective_stop IS NULL AND a.hard_stop IS NULL) AS unprotected
    FROM allocations a
    LEFT JOIN stops s USING (account, symbol, strategy)
    WHERE a.quantity > 0 AND a.strategy NOT IN ('_UNKNOWN_', '_EXTERNAL_')
    GROUP BY a.account, a.symbol
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
       coalesce(t.stop_states, '{}'::JSONB) AS stop_states,
       coalesce(t.unprotected, FALSE) AS unprotected,
       coalesce(p.frozen, FALSE) OR EXISTS (
           SELECT FROM halts h
           WHERE h.account = coalesce(p.account, o.account) AND h.scope = 'symbol'
             AND h.target = coalesce(p.symbol, o.symbol) AND h.active) AS frozen,
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
LEFT JOIN protected t USING (account, symbol)
LEFT JOIN ordered b USING (account, symbol)
WHERE coalesce(p.quantity, 0) <> 0 OR coalesce(p.frozen, FALSE)
   OR coalesce(o.owners, '{}'::JSONB) <> '{}'::JSONB;
COMMENT ON VIEW v_live_positions IS
    'Symbols held, owned or frozen: broker quantity beside what each strategy owns, and how it is protected. Broker figures are as of synced_kst.';

CREATE VIEW v_live_allocations AS
SELECT a.account, a.symbol, a.strategy, a.quantity, a.mean_cost, a.cost,
       p.last_price, a.quantity * p.last_price - a.cost AS unrealized,
       a.protective_stop, a.hard_stop,
       s.state AS stop_state, s.generation AS stop_generation, s.intent_id AS stop_intent_id,
       s.changed_time AT TIME ZONE 'Asia/Seoul' AS stop_since_kst,
       a.trade_id,
       coalesce(p.frozen, FALSE) AS frozen, coalesce(p.drift, 0) AS drift,
       a.entered_time AT TIME ZONE 'Asia/Seoul' AS entered_kst
FROM allocations a
LEFT JOIN positions p USING (account, symbol)
LEFT JOIN stops s USING (account, symbol, strategy)
WHERE a.quantity <> 0;
COMMENT ON VIEW v_live_allocations IS
    'Shares by owner with their cost, their stops and where the protection stands.';

CREATE VIEW v_conservation AS
WITH owned AS (
    SELECT account, symbol,
           (sum(quantity) FILTER (WHERE strategy NOT IN ('_UNKNOWN_', '_EXTERNAL_')))::BIGINT
               AS strategies,
           (sum(quantity) FILTER (WHERE strategy = '_UNKNOWN_'))::BIGINT AS unknown,
           (sum(quantity) FILTER (WHERE strategy = '_EXTERNAL_'))::BIGINT AS external,
           sum(quantity)::BIGINT AS allocated
    FROM allocations
    GROUP BY account, symbol
)
SELECT account, symbol,
       coalesce(o.strategies, 0) AS strategies, coalesce(o.unknown, 0) AS unknown,
       coalesce(o.external, 0) AS external, coalesce(o.allocated, 0) AS allocated,
       p.quantity + p.moved AS broker_quantity,
       coalesce(o.allocated, 0) - (p.quantity + p.moved) AS difference,
       EXISTS (SELECT FROM orders w
               WHERE w.account = coalesce(o.account, p.account)
                 AND w.symbol = coalesce(o.symbol, p.symbol)
                 AND w.state IN ('submitting', 'unknown', 'accepted', 'partially_filled'))
           AS working,
       coalesce(p.frozen, FALSE) AS drifting,
       p.synced_time AT TIME ZONE 'Asia/Seoul' AS synced_kst
FROM owned o
FULL JOIN positions p USING (account, symbol)
WHERE coalesce(o.allocated, 0) <> 0 OR coalesce(o.unknown, 0) <> 0
   OR coalesce(p.quantity + p.moved, 0) <> 0;
COMMENT ON VIEW v_conservation IS
    'Whether the owners'' shares add up to the broker''s: its last word moved by the fills since. A difference that outlives the broker''s next word while nothing works is wrong; NULL: the broker has not spoken yet.';

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
       p.halted, p.halt_reason,
       (SELECT CASE max(CASE h.mode WHEN 'flatten' THEN 3 WHEN 'reduce_only' THEN 2 ELSE 1 END)
               WHEN 3 THEN 'flatten' WHEN 2 THEN 'reduce_only' WHEN 1 THEN 'no_entries' END
        FROM halts h
        WHERE h.account = p.account AND h.active AND h.scope IN ('account', 'all_hosts'))
           AS halt_mode,
       coalesce(p.regime, 'normal') AS regime,
       p.deposit_today, p.deposit_next, p.deposit_second_next,
       p.phase
FROM risk_daily_portfolio p
JOIN v_today USING (account, trading_date)
UNION ALL
SELECT s.account, s.trading_date, s.strategy,
       NULL, s.realized_gross, s.fees, s.tax, s.realized_net, s.unrealized,
       s.realized_net + s.unrealized, NULL, s.exposure, NULL,
       s.trades_closed, s.max_drawdown,
       s.halted, s.halt_reason,
       (SELECT CASE max(CASE h.mode WHEN 'flatten' THEN 3 WHEN 'reduce_only' THEN 2 ELSE 1 END)
               WHEN 3 THEN 'flatten' WHEN 2 THEN 'reduce_only' WHEN 1 THEN 'no_entries' END
        FROM halts h
        WHERE h.account = s.account AND h.active AND h.scope = 'strategy'
          AND h.target = s.strategy),
       NULL, NULL, NULL, NULL, NULL
FROM risk_daily_strategy s
JOIN v_today USING (account, trading_date);
COMMENT ON VIEW v_today_risk IS
    'Today''s result and exposure of the whole account and of each strategy; positions_or_trades counts positions, for strategies closed trades. halted: at some time of the day; halt_mode: now.';

CREATE VIEW v_active_halts AS
SELECT account, scope, target, mode, trigger, rule, reason, issued_by,
       since_time AT TIME ZONE 'Asia/Seoul' AS since_kst
FROM halts
WHERE active;
COMMENT ON VIEW v_active_halts IS
    'Halts in force: no_entries refuses entries, reduce_only withdraws buys too, flatten sells everything. No halt stops an exit.';

CREATE VIEW v_limits AS
SELECT account, name, value, issued_by, reason, changed_kst
FROM (
    SELECT DISTINCT ON (c.account, e.key)
           c.account, e.key AS name, e.value, c.issued_by, c.reason,
           c.changed_time AT TIME ZONE 'Asia/Seoul' AS changed_kst
    FROM limit_changes c
    CROSS JOIN LATERAL jsonb_each(c.changes) e
    WHERE NOT c.refused
      AND c.sequence >= (SELECT coalesce(max(b.sequence), 0) FROM limit_changes b
                         WHERE b.account = c.account AND b.complete)
    ORDER BY c.account, e.key, c.sequence DESC
) newest
WHERE value <> 'null'::JSONB;
COMMENT ON VIEW v_limits IS
    'Limits in force that somebody changed at run time; all others are those of the configuration file.';

CREATE VIEW v_executions AS
SELECT i.account, i.trading_date, i.intent_id, i.strategy, i.symbol, i.kind,
       i.execution AS state, i.approved_quantity AS allowed,
       greatest(coalesce(o.filled, 0), coalesce(i.executed_quantity, 0)) AS filled,
       i.orders, i.execution_reason AS reason,
       round((coalesce(i.execution_ended_at, c.log_at) - i.decided_at) / 1e9, 1) AS seconds,
       i.decided_time AT TIME ZONE 'Asia/Seoul' AS decided_kst
FROM intents i
JOIN checkpoint c USING (account)
LEFT JOIN (SELECT account, intent_id, sum(filled_quantity)::BIGINT AS filled
           FROM orders GROUP BY account, intent_id) o USING (account, intent_id)
WHERE i.execution IS NOT NULL;
COMMENT ON VIEW v_executions IS
    'What became of each allowed intent: shares allowed and filled, orders it took, why it ended.';

CREATE VIEW v_checks AS
WITH made AS (
    SELECT d.account, i.trading_date, d.strategy, d.sequence, d.decided_time,
           c.value ->> 'name' AS name, c.value -> 'value' AS seen, c.value -> 'limit' AS bound,
           c.value ->> 'outcome' AS outcome, (c.value ->> 'headroom')::NUMERIC AS headroom
    FROM decisions d
    JOIN intents i USING (account, intent_id)
    JOIN v_today t ON t.account = d.account AND t.trading_date = i.trading_date
    CROSS JOIN LATERAL jsonb_array_elements(d.checks) c
)
SELECT account, trading_date, strategy, name,
       count(*) FILTER (WHERE outcome = 'pass') AS passed,
       count(*) FILTER (WHERE outcome = 'modify') AS modified,
       count(*) FILTER (WHERE outcome = 'reject') AS rejected,
       count(*) FILTER (WHERE outcome = 'defer') AS deferred,
       count(*) FILTER (WHERE outcome = 'missing') AS missing,
       min(headroom) AS least_headroom,
       (array_agg(seen ORDER BY sequence DESC))[1] AS last_value,
       (array_agg(bound ORDER BY sequence DESC))[1] AS last_limit,
       (array_agg(headroom ORDER BY sequence DESC))[1] AS last_headroom,
       (array_agg(outcome ORDER BY sequence DESC))[1] AS last_outcome,
       max(decided_time) AT TIME ZONE 'Asia/Seoul' AS last_kst,
       bool_and(outcome IN ('missing', 'not_applicable')) AND bool_or(outcome = 'missing') AS blind
FROM made
GROUP BY account, trading_date, strategy, name;
COMMENT ON VIEW v_checks IS
    'Today''s checks of the risk gate by strategy: what they said, how near their limit they came, the last value. blind: never had data.';

CREATE VIEW v_leases AS
SELECT l.account, l.name, l.state, l.epoch, l.holder, l.run, l.renewals, l.ttl_ms,
       round((c.log_at - l.renewed_at) / 1e9, 1) AS seconds_since_renewal,
       l.taken_time AT TIME ZONE 'Asia/Seoul' AS taken_kst
FROM leases l
JOIN checkpoint c USING (account);
COMMENT ON VIEW v_leases IS 'Who may act on the account, and the age of its last sign by the log''s clock.';

CREATE VIEW v_operator_actions AS
SELECT account, sequence, action, issued_by, reason, payload,
       action_time AT TIME ZONE 'Asia/Seoul' AS at_kst
FROM operator_actions;
COMMENT ON VIEW v_operator_actions IS 'What was ordered by hand, by whom and why.';

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
       count(*) FILTER (WHERE t.status = 'closed' AND t.exit_quantity > 0) AS closed,
       coalesce(sum(t.net_pnl), 0)::BIGINT AS net_pnl,
       round(avg(t.realized_r), 4) AS mean_r,
       count(*) FILTER (WHERE t.status = 'closed' AND t.exit_quantity > 0 AND t.net_pnl > 0) AS wins,
       count(*) FILTER (WHERE t.status = 'closed' AND t.exit_quantity > 0 AND t.net_pnl <= 0) AS losses,
       round(count(*) FILTER (WHERE t.status = 'closed' AND t.exit_quantity > 0 AND t.net_pnl > 0) * 100::NUMERIC
             / nullif(count(*) FILTER (WHERE t.status = 'closed' AND t.exit_quantity > 0), 0), 2) AS win_percent
FROM trades t
JOIN checkpoint c USING (account)
WHERE t.status = 'open' OR t.closed_time > c.log_time - INTERVAL '30 days'
GROUP BY t.account, t.strategy;
COMMENT ON VIEW v_strategy_performance IS
    'Each strategy''s trades of the last 30 days; a trade that made nothing counts as a loss, one whose shares were all given to another owner as neither.';

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
