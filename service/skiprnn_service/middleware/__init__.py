"""What requests pass through: ids, security headers, hosts, errors in JSON.

Imports telemetry, errors, settings and stats.
"""
