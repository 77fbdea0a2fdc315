"""Where data comes from: published packages, checked against a pinned SHA-256, and the user's own files."""
