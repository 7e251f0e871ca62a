"""Pipelines: the jobs around a trading day, such as collection, daily selections and the archive.

A job reads what is outside (the broker's history, files) and leaves either files or signal events
on the log, never a decision. Nothing lives here yet.
"""
