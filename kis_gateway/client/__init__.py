"""KIS over REST: tokens, the call budget, one call and its outcome, the ``Broker`` port over it."""
