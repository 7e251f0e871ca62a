"""Faults and scenarios: what goes wrong on request, and the exact account of what was lost."""
