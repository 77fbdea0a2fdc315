"""The rule of a table's columns and numbers, for servers: `skiprnn.channels`, `column_names` and `numerals`."""

from skiprnn.channels import Feature, feature_of, is_header, left_out, match, without_mark
from skiprnn.column_names import is_id_name, is_time_name
from skiprnn.numerals import CLOCK, NUMBER, looks_like_a_number, parse_number

__all__ = [
    "CLOCK",
    "NUMBER",
    "Feature",
    "feature_of",
    "is_header",
    "is_id_name",
    "is_time_name",
    "left_out",
    "looks_like_a_number",
    "match",
    "parse_number",
    "without_mark",
]
