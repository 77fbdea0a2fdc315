"""The folder of bundles: which are served, and what changed. Imports engine and errors."""
