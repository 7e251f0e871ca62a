"""Research: backtests, features, models, portfolios and their reports, over recorded logs.

A backtest here is a replay: the strategies, the risk gate and the simulated exchange that run live
are run over recorded events. Nothing lives here yet; what comes imports the rooms above it only.
"""
