"""The rule of how a table is written as text, for servers: `skiprnn.dialect`."""

from skiprnn.dialect import Dialect, decimal_of, first_lines, is_separator_line, separator_of

__all__ = ["Dialect", "decimal_of", "first_lines", "is_separator_line", "separator_of"]
