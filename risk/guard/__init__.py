"""The guard: stops and halts are carried out here, whether or not any strategy runs.

A second pure processor of the risk layer, run as a service of its own. It submits intents on the
owners' behalf, which pass the gate and the router as all others do. Imports ``events`` and the
halts of this room.

    guard = guard_from_session(session)
    outputs = guard.handle(delivery)
"""

from risk.guard.processor import Guard, guard_from_session
from risk.guard.settings import SERVICE, GuardSettings

__all__ = ["SERVICE", "Guard", "GuardSettings", "guard_from_session"]
