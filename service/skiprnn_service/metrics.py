"""Counters (skeleton)."""


class EngineStats:
    """Plain counts of an engine."""
