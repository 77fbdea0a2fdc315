"""Benchmarks: ours against its floors and against what a user would pick instead, as ratios within one run."""
