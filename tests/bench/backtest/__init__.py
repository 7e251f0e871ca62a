"""Backtests side by side: other engines and this one, on the same data, on the same machine.

``just bench-backtest`` prints the table. The other engines live in environments of their own, one
each under ``.bench``; nothing of theirs is ever imported by this project.
"""
