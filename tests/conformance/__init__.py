"""Third-party KIS clients, installed unmodified, against the simulator.

``just conformance`` makes one environment per client, starts the simulator in a process of its own
and runs one script per client in that client's environment. Only host names are changed there; what
a client cannot read, it fails on with its own traceback. Modules used by client scripts (``steps``,
``test_bench`` and ``clients``) import the standard library and the client, nothing of this project.
"""
