"""Logs, metrics and traces. Imports errors, settings and stats alone."""
