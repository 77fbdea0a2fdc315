"""The rule of a table's columns and numbers, for servers: `skiprnn.channels` and `skiprnn.numerals`."""

from skiprnn.channels import Feature, feature_of, is_header, left_out, match, without_mark
from skiprnn.numerals import CLOCK, NUMBER, looks_like_a_number, parse_number

__all__ = [
    "CLOCK",
    "NUMBER",
    "Feature",
    "feature_of",
    "is_header",
    "left_out",
    "looks_like_a_number",
    "match",
    "parse_number",
    "without_mark",
]
