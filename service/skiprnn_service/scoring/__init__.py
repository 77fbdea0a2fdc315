"""Whole sequences, without the web. Imports engine and errors alone.

score       computes: sequences together, each to the bits of a live stream of it
job         one request's work: sequences from a file, scores to another, chunk by chunk
scheduler   decides when and where a job runs: on a thread, or in the process
process     the server's end of the scoring process: starts it, sends it jobs, notices its end
worker      the scoring process itself
formats     readers and writers of bodies
"""
