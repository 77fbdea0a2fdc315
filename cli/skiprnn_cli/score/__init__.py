"""`skiprnn score`: a file of whole sequences through a bundle, without a server.

command     the options, the progress bar, the summary
run         one run over one file: what is scored by what, and what of it is done
folder      one run over the files of a folder
files       opens files of sequences and scores
parts       the chunks that are done, on the disk: a stopped run resumes from them
"""

from skiprnn_cli.score.command import score

__all__ = ["score"]
