"""From decisions to orders: the state machine, the router, what became of what was sent."""
