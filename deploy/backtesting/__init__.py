"""Commands about backtests: run, sweep, walk forward, check, compare, calibrate, report."""
