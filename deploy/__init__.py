"""What runs where: the ``kst`` command, the supervisor of a run's processes, configuration.

A run is one directory with everything in it, one clock, and one process per service. This room
wires the others together and decides nothing about trading; no other room imports it.
"""
