"""Fuzzing of everything that takes bytes from outside: whatever comes in, only typed errors out."""
