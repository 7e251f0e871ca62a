-- Read models of one or more accounts, folded from their logs. Everything here can be dropped and
-- rebuilt. Unqualified names: the caller sets search_path to the schema that is to hold them.
--
-- Prices and amounts are won, quantities shares, *_at nanoseconds UTC from the events themselves.
-- Columns *_time and all means and ratios are generated from those integers, so that they cannot
-- disagree with them. Nothing depends on the time of writing.

CREATE TABLE checkpoint (
    account         TEXT   NOT NULL,
    stream          TEXT   NOT NULL,
    created         TEXT   NOT NULL,
    last_sequence   BIGINT NOT NULL,
    previous_digest TEXT   NOT NULL,
    digest          TEXT   NOT NULL,
    log_at          BIGINT NOT NULL,
    schema_version  TEXT   NOT NULL,
    log_time        TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(log_at / 1e9)) STORED,
    PRIMARY KEY (account)
);
COMMENT ON TABLE checkpoint IS
    'How far each account''s log is folded into these tables; committed together with the rows.';
COMMENT ON COLUMN checkpoint.digest IS
    'Rolling SHA-256 over sequence and payload of every folded entry; previous_digest is the one before the last entry.';
COMMENT ON COLUMN checkpoint.log_at IS 'Latest event time folded: the log''s own clock.';

CREATE TABLE intents (
    account           TEXT    NOT NULL,
    intent_id         TEXT    NOT NULL,
    sequence          BIGINT  NOT NULL,
    cause             BIGINT  NOT NULL,
    trading_date      TEXT    NOT NULL,
    strategy          TEXT    NOT NULL,
    symbol            TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    quantity          BIGINT,
    urgency           TEXT    NOT NULL,
    horizon           TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    attempt           BIGINT  NOT NULL,
    signal            TEXT,
    reference_price   BIGINT,
    limit_price       BIGINT,
    stop_price        BIGINT,
    protective_stop   BIGINT,
    hard_stop         BIGINT,
    facts             JSONB   NOT NULL,
    status            TEXT    NOT NULL,
    approved_quantity BIGINT,
    decided_by        TEXT,
    message           TEXT,
    orders            BIGINT  NOT NULL,
    order_id          TEXT,
    execution         TEXT,
    executed_quantity BIGINT,
    execution_reason  TEXT,
    submitted_at      BIGINT  NOT NULL,
    expires_at        BIGINT  NOT NULL,
    decided_at        BIGINT,
    execution_ended_at BIGINT,
    submitted_time    TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(submitted_at / 1e9)) STORED,
    decided_time      TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(decided_at / 1e9)) STORED,
    PRIMARY KEY (account, intent_id)
);
CREATE INDEX intents_by_date ON intents (account, trading_date);
COMMENT ON TABLE intents IS 'What strategies asked for and what became of it.';
COMMENT ON COLUMN intents.status IS 'submitted, approved, modified, rejected, deferred or expired.';
COMMENT ON COLUMN intents.order_id IS 'Last order placed for the intent; orders counts them.';
COMMENT ON COLUMN intents.execution IS
    'working from the approval of shares until the router is done with them, then ended; NULL where nothing is executed.';
COMMENT ON COLUMN intents.executed_quantity IS
    'Shares filled when the execution ended; while it works see v_executions.';
COMMENT ON COLUMN intents.decided_by IS 'The check that cut, refused or deferred.';

CREATE TABLE decisions (
    account            TEXT   NOT NULL,
    intent_id          TEXT   NOT NULL,
    sequence           BIGINT NOT NULL,
    cause              BIGINT NOT NULL,
    strategy           TEXT   NOT NULL,
    symbol             TEXT   NOT NULL,
    outcome            TEXT   NOT NULL,
    quantity           BIGINT,
    requested_quantity BIGINT,
    decided_by         TEXT,
    reason             TEXT,
    checks             JSONB  NOT NULL,
    decided_at         BIGINT NOT NULL,
    decided_time       TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(decided_at / 1e9)) STORED,
    PRIMARY KEY (account, intent_id)
);
COMMENT ON TABLE decisions IS
    'The risk gate''s answer to each intent with the value and limit of every check it made.';

CREATE TABLE orders (
    account         TEXT    NOT NULL,
    order_id        TEXT    NOT NULL,
    sequence        BIGINT  NOT NULL,
    intent_id       TEXT    NOT NULL,
    trading_date    TEXT    NOT NULL,
    strategy        TEXT    NOT NULL,
    symbol          TEXT    NOT NULL,
    side            TEXT    NOT NULL,
    kind            TEXT,
    quantity        BIGINT,
    limit_price     BIGINT,
    stop_price      BIGINT,
    reference_price BIGINT,
    protective_stop BIGINT,
    hard_stop       BIGINT,
    reason          TEXT,
    state           TEXT    NOT NULL,
    filled_quantity BIGINT  NOT NULL,
    filled_amount   BIGINT  NOT NULL,
    fee             BIGINT  NOT NULL,
    tax             BIGINT  NOT NULL,
    broker_order    TEXT,
    branch          TEXT,
    adopted         BOOLEAN NOT NULL,
    route           TEXT,
    epoch           BIGINT,
    replaces        TEXT,
    trade_id        TEXT,
    corrections     BIGINT  NOT NULL,
    cancel_attempts BIGINT  NOT NULL,
    cancel_state    TEXT,
    message         TEXT,
    cancel_at       BIGINT,
    held_at         BIGINT,
    submitted_at    BIGINT,
    accepted_at     BIGINT,
    closed_at       BIGINT,
    updated_at      BIGINT  NOT NULL,
    mean_fill_price NUMERIC GENERATED ALWAYS AS (
        CASE WHEN filled_quantity > 0
             THEN round(filled_amount::NUMERIC / filled_quantity, 4) END) STORED,
    submitted_time  TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(submitted_at / 1e9)) STORED,
    updated_time    TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(updated_at / 1e9)) STORED,
    PRIMARY KEY (account, order_id)
);
CREATE INDEX orders_by_date ON orders (account, trading_date);
CREATE INDEX orders_working ON orders (account)
    WHERE state IN ('held', 'submitting', 'unknown', 'accepted', 'partially_filled');
COMMENT ON TABLE orders IS 'Every order with its present state; order_events holds its steps.';
COMMENT ON COLUMN orders.reference_price IS 'The price the strategy saw when it decided.';
COMMENT ON COLUMN orders.epoch IS 'Epoch of the lease under which the order was written.';
COMMENT ON COLUMN orders.replaces IS 'The order of the same intent whose rest this one took over.';
COMMENT ON COLUMN orders.filled_amount IS 'Traded value, corrections by the broker''s books included.';

CREATE TABLE order_events (
    account      TEXT   NOT NULL,
    sequence     BIGINT NOT NULL,
    order_id     TEXT   NOT NULL,
    intent_id    TEXT,
    strategy     TEXT,
    symbol       TEXT,
    event        TEXT   NOT NULL,
    state_before TEXT,
    state_after  TEXT,
    payload      JSONB  NOT NULL,
    at           BIGINT NOT NULL,
    event_time   TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(at / 1e9)) STORED,
    PRIMARY KEY (account, sequence)
);
CREATE INDEX order_events_by_order ON order_events (account, order_id);
COMMENT ON TABLE order_events IS 'The life of each order step by step, as it stands on the log.';

CREATE TABLE fills (
    account             TEXT   NOT NULL,
    fill_id             TEXT   NOT NULL,
    sequence            BIGINT NOT NULL,
    order_id            TEXT   NOT NULL,
    trading_date        TEXT   NOT NULL,
    strategy            TEXT   NOT NULL,
    symbol              TEXT   NOT NULL,
    side                TEXT   NOT NULL,
    quantity            BIGINT NOT NULL,
    price               BIGINT NOT NULL,
    amount              BIGINT NOT NULL,
    cumulative_quantity BIGINT NOT NULL,
    fee                 BIGINT NOT NULL,
    tax                 BIGINT NOT NULL,
    source              TEXT   NOT NULL,
    trade_id            TEXT,
    filled_at           BIGINT NOT NULL,
    filled_time         TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(filled_at / 1e9)) STORED,
    PRIMARY KEY (account, fill_id)
);
CREATE INDEX fills_by_order ON fills (account, order_id);
CREATE INDEX fills_by_date ON fills (account, trading_date);
COMMENT ON TABLE fills IS
    'Executions at execution prices, with fee and tax in won. A correction by the broker''s books is a row of no share (source correction), so that an order''s fills sum up to what it came to.';

CREATE TABLE trades (
    account         TEXT   NOT NULL,
    trade_id        TEXT   NOT NULL,
    strategy        TEXT   NOT NULL,
    symbol          TEXT   NOT NULL,
    trading_date    TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    entry_intent_id TEXT,
    exit_intent_id  TEXT,
    entry_reason    TEXT,
    exit_reason     TEXT,
    initial_stop    BIGINT,
    entry_fills     BIGINT NOT NULL,
    entry_quantity  BIGINT NOT NULL,
    entry_amount    BIGINT NOT NULL,
    entry_fee       BIGINT NOT NULL,
    exit_fills      BIGINT NOT NULL,
    exit_quantity   BIGINT NOT NULL,
    exit_amount     BIGINT NOT NULL,
    exit_cost       BIGINT NOT NULL,
    exit_fee        BIGINT NOT NULL,
    exit_tax        BIGINT NOT NULL,
    moved_quantity  BIGINT NOT NULL,
    moved_cost      BIGINT NOT NULL,
    lowest_price    BIGINT,
    highest_price   BIGINT,
    entered_at      BIGINT NOT NULL,
    closed_at       BIGINT,
    updated_at      BIGINT NOT NULL,
    entry_price     NUMERIC GENERATED ALWAYS AS (
        CASE WHEN entry_quantity > 0
             THEN round(entry_amount::NUMERIC / entry_quantity, 4) END) STORED,
    exit_price      NUMERIC GENERATED ALWAYS AS (
        CASE WHEN exit_quantity > 0
             THEN round(exit_amount::NUMERIC / exit_quantity, 4) END) STORED,
    gross_pnl       BIGINT GENERATED ALWAYS AS (exit_amount - exit_cost) STORED,
    net_pnl         BIGINT GENERATED ALWAYS AS (
        exit_amount - exit_cost - entry_fee - exit_fee - exit_tax) STORED,
    initial_risk    BIGINT GENERATED ALWAYS AS (
        entry_amount - initial_stop * entry_quantity) STORED,
    realized_r      NUMERIC GENERATED ALWAYS AS (
        CASE WHEN status = 'closed' AND entry_amount > initial_stop * entry_quantity
             THEN round((exit_amount - exit_cost - entry_fee - exit_fee - exit_tax)::NUMERIC
                        / (entry_amount - initial_stop * entry_quantity), 4) END) STORED,
    entered_time    TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(entered_at / 1e9)) STORED,
    closed_time     TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(closed_at / 1e9)) STORED,
    PRIMARY KEY (account, trade_id)
);
CREATE INDEX trades_by_date ON trades (account, trading_date);
CREATE INDEX trades_open ON trades (account) WHERE status = 'open';
COMMENT ON TABLE trades IS
    'Round trips: from the first share of a strategy in a symbol until it has none, all fills summed. trade_id is the fill that opened it.';
COMMENT ON COLUMN trades.exit_cost IS
    'Cost basis of the shares sold; with moved_cost it equals entry_amount once closed.';
COMMENT ON COLUMN trades.moved_quantity IS
    'Shares that left for another owner without being sold; moved_cost is what they had cost.';
COMMENT ON COLUMN trades.net_pnl IS 'Realised, net of every fee and tax paid so far, entry fee included.';
COMMENT ON COLUMN trades.realized_r IS 'net_pnl over (entry_amount - initial_stop x entry_quantity).';
COMMENT ON COLUMN trades.lowest_price IS
    'Lowest of fills and account snapshots; extremes between two snapshots are not seen.';

CREATE TABLE positions (
    account      TEXT    NOT NULL,
    symbol       TEXT    NOT NULL,
    quantity     BIGINT  NOT NULL,
    moved        BIGINT  NOT NULL,
    sellable     BIGINT  NOT NULL,
    cost         BIGINT  NOT NULL,
    last_price   BIGINT,
    frozen       BOOLEAN NOT NULL,
    drift        BIGINT  NOT NULL,
    synced_at    BIGINT  NOT NULL,
    mean_price   NUMERIC GENERATED ALWAYS AS (
        CASE WHEN quantity > 0 THEN round(cost::NUMERIC / quantity, 4) END) STORED,
    unrealized   BIGINT GENERATED ALWAYS AS (quantity * last_price - cost) STORED,
    synced_time  TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(synced_at / 1e9)) STORED,
    PRIMARY KEY (account, symbol)
);
COMMENT ON TABLE positions IS
    'What the broker says the account holds: from complete account snapshots and findings of drift.';
COMMENT ON COLUMN positions.moved IS 'Shares bought less shares sold by fills since the broker''s last word.';
COMMENT ON COLUMN positions.drift IS 'Broker quantity less allocations as last found; 0 when they agree.';

CREATE TABLE allocations (
    account         TEXT   NOT NULL,
    symbol          TEXT   NOT NULL,
    strategy        TEXT   NOT NULL,
    quantity        BIGINT NOT NULL,
    cost            BIGINT NOT NULL,
    protective_stop BIGINT,
    hard_stop       BIGINT,
    entry_intent_id TEXT,
    trade_id        TEXT,
    entered_at      BIGINT,
    updated_at      BIGINT NOT NULL,
    mean_cost       NUMERIC GENERATED ALWAYS AS (
        CASE WHEN quantity > 0 THEN round(cost::NUMERIC / quantity, 4) END) STORED,
    entered_time    TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(entered_at / 1e9)) STORED,
    PRIMARY KEY (account, symbol, strategy)
);
COMMENT ON TABLE allocations IS
    'Whose the shares are. _EXTERNAL_ are the account holder''s own; _UNKNOWN_ is what nobody has explained, negative for shares that are missing.';

CREATE TABLE risk_daily_portfolio (
    account         TEXT    NOT NULL,
    trading_date    TEXT    NOT NULL,
    phase           TEXT,
    open_at         BIGINT,
    close_at        BIGINT,
    opening_equity  BIGINT,
    opening_cash    BIGINT,
    equity          BIGINT,
    cash            BIGINT,
    deposit_today       BIGINT,
    deposit_next        BIGINT,
    deposit_second_next BIGINT,
    bought_amount   BIGINT  NOT NULL,
    sold_amount     BIGINT  NOT NULL,
    realized_gross  BIGINT  NOT NULL,
    fees            BIGINT  NOT NULL,
    tax             BIGINT  NOT NULL,
    unrealized      BIGINT  NOT NULL,
    gross_exposure  BIGINT  NOT NULL,
    peak_exposure   BIGINT  NOT NULL,
    peak_equity     BIGINT,
    max_drawdown    BIGINT  NOT NULL,
    positions       BIGINT  NOT NULL,
    halted          BOOLEAN NOT NULL,
    halt_reason     TEXT,
    halt_at         BIGINT,
    flattened       BOOLEAN NOT NULL,
    regime          TEXT,
    regime_at       BIGINT,
    code_version    TEXT,
    updated_at      BIGINT  NOT NULL,
    realized_net    BIGINT GENERATED ALWAYS AS (realized_gross - fees - tax) STORED,
    day_pnl         BIGINT GENERATED ALWAYS AS (equity - opening_equity) STORED,
    day_pnl_percent NUMERIC GENERATED ALWAYS AS (
        CASE WHEN opening_equity > 0
             THEN round((equity - opening_equity) * 100::NUMERIC / opening_equity, 4) END) STORED,
    gross_percent   NUMERIC GENERATED ALWAYS AS (
        CASE WHEN equity > 0
             THEN round(gross_exposure * 100::NUMERIC / equity, 4) END) STORED,
    PRIMARY KEY (account, trading_date)
);
COMMENT ON TABLE risk_daily_portfolio IS
    'One row per session: equity against the opening books, exposure, halts that were set.';
COMMENT ON COLUMN risk_daily_portfolio.deposit_today IS
    'Deposits after the settlements of today, the next and the second next session (T, T+1, T+2).';
COMMENT ON COLUMN risk_daily_portfolio.day_pnl IS 'Equity now less equity at session open.';
COMMENT ON COLUMN risk_daily_portfolio.halted IS 'New entries were halted at some time of the day.';

CREATE TABLE risk_daily_strategy (
    account         TEXT    NOT NULL,
    trading_date    TEXT    NOT NULL,
    strategy        TEXT    NOT NULL,
    intents         BIGINT  NOT NULL,
    approved        BIGINT  NOT NULL,
    rejected        BIGINT  NOT NULL,
    deferred        BIGINT  NOT NULL,
    orders          BIGINT  NOT NULL,
    fills           BIGINT  NOT NULL,
    bought_amount   BIGINT  NOT NULL,
    sold_amount     BIGINT  NOT NULL,
    realized_gross  BIGINT  NOT NULL,
    fees            BIGINT  NOT NULL,
    tax             BIGINT  NOT NULL,
    unrealized      BIGINT  NOT NULL,
    exposure        BIGINT  NOT NULL,
    peak_exposure   BIGINT  NOT NULL,
    peak_pnl        BIGINT  NOT NULL,
    max_drawdown    BIGINT  NOT NULL,
    trades_opened   BIGINT  NOT NULL,
    trades_closed   BIGINT  NOT NULL,
    wins            BIGINT  NOT NULL,
    losses          BIGINT  NOT NULL,
    halted          BOOLEAN NOT NULL,
    halt_reason     TEXT,
    halt_at         BIGINT,
    updated_at      BIGINT  NOT NULL,
    realized_net    BIGINT GENERATED ALWAYS AS (realized_gross - fees - tax) STORED,
    PRIMARY KEY (account, trading_date, strategy)
);
COMMENT ON TABLE risk_daily_strategy IS
    'One row per session and strategy. Exposure and drawdown are measured at account snapshots.';

CREATE TABLE halts (
    account    TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    trigger    TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    active     BOOLEAN NOT NULL,
    rule       TEXT,
    issued_by  TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    since_at   BIGINT  NOT NULL,
    times      BIGINT  NOT NULL,
    ended_by   TEXT,
    end_reason TEXT,
    ended_at   BIGINT,
    updated_at BIGINT  NOT NULL,
    since_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(since_at / 1e9)) STORED,
    ended_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(ended_at / 1e9)) STORED,
    PRIMARY KEY (account, scope, target, trigger)
);
COMMENT ON TABLE halts IS
    'Every halt by what it concerns and what set it off: the one in force there, or the last one. No halt stops an exit.';
COMMENT ON COLUMN halts.rule IS 'The automatic rule that set it; NULL when somebody ordered it.';

CREATE TABLE limit_changes (
    account    TEXT    NOT NULL,
    sequence   BIGINT  NOT NULL,
    complete   BOOLEAN NOT NULL,
    changes    JSONB   NOT NULL,
    refused    BOOLEAN NOT NULL,
    refusal    TEXT,
    issued_by  TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    changed_at BIGINT  NOT NULL,
    changed_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(changed_at / 1e9)) STORED,
    PRIMARY KEY (account, sequence)
);
COMMENT ON TABLE limit_changes IS
    'Changes of the risk gate''s limits at run time; complete rows are all that a session opened with. v_limits shows what is in force.';

CREATE TABLE operator_actions (
    account   TEXT   NOT NULL,
    sequence  BIGINT NOT NULL,
    action    TEXT   NOT NULL,
    issued_by TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    payload   JSONB  NOT NULL,
    at        BIGINT NOT NULL,
    action_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(at / 1e9)) STORED,
    PRIMARY KEY (account, sequence)
);
COMMENT ON TABLE operator_actions IS
    'What people, and services that found something wrong, ordered: halts, limits, cancels, changes of owner.';

CREATE TABLE operator_links (
    account    TEXT   NOT NULL,
    link       TEXT   NOT NULL,
    issued_by  TEXT   NOT NULL,
    timeout_s  BIGINT NOT NULL,
    present_at BIGINT NOT NULL,
    present_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(present_at / 1e9)) STORED,
    PRIMARY KEY (account, link)
);
COMMENT ON TABLE operator_links IS
    'The newest sign of each operator''s host; timeout_s 0 means that nobody watches for the next one.';

CREATE TABLE leases (
    account     TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    epoch       BIGINT NOT NULL,
    holder      TEXT   NOT NULL,
    run         TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    ttl_ms      BIGINT,
    previous    TEXT,
    renewals    BIGINT NOT NULL,
    taken_at    BIGINT,
    renewed_at  BIGINT,
    released_at BIGINT,
    taken_time   TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(taken_at / 1e9)) STORED,
    renewed_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(renewed_at / 1e9)) STORED,
    PRIMARY KEY (account, name)
);
COMMENT ON TABLE leases IS
    'Which process may act on the account, by name of the lease; epoch grows with every change of holder.';

CREATE TABLE stops (
    account    TEXT   NOT NULL,
    symbol     TEXT   NOT NULL,
    strategy   TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    quantity   BIGINT NOT NULL,
    stop_price BIGINT,
    price      BIGINT,
    intent_id  TEXT,
    reason     TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(changed_at / 1e9)) STORED,
    PRIMARY KEY (account, symbol, strategy)
);
COMMENT ON TABLE stops IS
    'Where the protection of each allocation stands: active, triggered, waiting, submitted, done, failed or missing.';
COMMENT ON COLUMN stops.price IS 'The price that triggered the stop.';

CREATE TABLE service_state (
    account       TEXT   NOT NULL,
    service       TEXT   NOT NULL,
    run           TEXT   NOT NULL,
    mode          TEXT   NOT NULL,
    code_version  TEXT,
    position      BIGINT,
    figures       JSONB  NOT NULL,
    configuration JSONB,
    stop_reason   TEXT,
    started_at    BIGINT,
    heartbeat_at  BIGINT NOT NULL,
    stopped_at    BIGINT,
    started_time   TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(started_at / 1e9)) STORED,
    heartbeat_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(heartbeat_at / 1e9)) STORED,
    PRIMARY KEY (account, service)
);
COMMENT ON TABLE service_state IS 'The last sign of life of each service; figures are its gauges.';

CREATE TABLE conditions (
    account   TEXT    NOT NULL,
    service   TEXT    NOT NULL,
    condition TEXT    NOT NULL,
    active    BOOLEAN NOT NULL,
    detail    TEXT    NOT NULL,
    times     BIGINT  NOT NULL,
    begun_at  BIGINT  NOT NULL,
    ended_at  BIGINT,
    begun_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(begun_at / 1e9)) STORED,
    ended_time TIMESTAMPTZ GENERATED ALWAYS AS (to_timestamp(ended_at / 1e9)) STORED,
    PRIMARY KEY (account, service, condition)
);
COMMENT ON TABLE conditions IS
    'What works less well than it should: degradations, feed gaps, divergences. times counts them.';

CREATE TABLE set_aside (
    account  TEXT   NOT NULL,
    service  TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    subject  TEXT   NOT NULL,
    error    TEXT   NOT NULL,
    payload  BYTEA  NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (account, service, sequence)
);
COMMENT ON TABLE set_aside IS
    'Log entries and broker frames that could not be decoded, with their bytes. Nothing waits for them.';
