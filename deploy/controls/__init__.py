"""The operator's commands: halt, resume, flatten, cancel, adopt, limits, presence.

Each of them writes one event with a name and a reason, and then says whether the risk layer has
read it. Nothing here asks a service to do anything: services follow the log.
"""
