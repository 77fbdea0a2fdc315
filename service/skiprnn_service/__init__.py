"""The server of live streams and whole sequences. Imports between its packages go down the layers only."""
