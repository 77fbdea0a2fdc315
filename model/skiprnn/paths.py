"""Paths as callers give them."""

import os

StrPath = str | os.PathLike[str]
