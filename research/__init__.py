"""Research: backtests, their data and their reports, over recorded logs and imported bars.

A backtest here is a replay: the strategies, the risk gate and the simulated exchange that run live
are run over recorded events.

- ``backtest``  the engine: sessions, queue, exchange, results, sweeps, checks
- ``datasets``  where sessions come from: recorded bars, imported ticks, generated days
- ``fidelity``  a recorded day traded again and compared with what happened
- ``reports``   results as pages

What lives here imports the rooms above it only.
"""
