"""`skiprnn bench`: how many messages a running server takes, and how fast it answers.

command     the options
load        many streams in plain asyncio, and what they measured
"""

from skiprnn_cli.bench.command import bench

__all__ = ["bench"]
