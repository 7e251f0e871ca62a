"""KIS over REST: tokens, the shared budget of calls, one call and its outcome."""
