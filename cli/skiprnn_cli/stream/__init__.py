"""`skiprnn stream`: recorded or live samples to a server, its updates as they come.

command     the options
run         one source through one stream: pace, connections, what is shown
sources     files and pipes → samples (csv_lines: CSV; missing: rows that lack a value)
view        JSON lines and plain lines; picture: the live picture in a terminal (braille: its curves)
"""

from skiprnn_cli.stream.command import RENAMED, stream

__all__ = ["RENAMED", "stream"]
