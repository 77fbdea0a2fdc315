"""What requests pass through: ids and security headers. Imports telemetry, errors, settings and stats."""
