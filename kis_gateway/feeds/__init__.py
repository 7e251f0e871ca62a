"""Live data: the WebSocket session, who gets its subscriptions, what of the market was missed."""
