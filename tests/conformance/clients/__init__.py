"""One script per client, run by the client's own environment: ``python -m``, place as JSON."""
