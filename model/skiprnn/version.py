"""The version of the installed distribution. It is written in pyproject.toml alone."""

from importlib.metadata import version

__version__ = version("skiprnn")
