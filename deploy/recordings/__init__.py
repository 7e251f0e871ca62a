"""The recordings of a run's days: seal, list, verify, prune, copy.

A sealed day is a folder of columns that stands for the day's entries on the log, byte for byte.
Nothing here decides anything: what is sealed was written by the services of the run.
"""
