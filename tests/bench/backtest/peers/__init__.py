"""One script an engine; each runs in that engine's environment and knows nothing of the project."""
