"""Is a film review positive? (section 4.4) From the user's own copy of the Large Movie Review Dataset.

`--data aclImdb` with train/pos, train/neg, test/pos and test/neg, a text file a review, as published (Maas et al.,
2011). A sample is the vector of a word. `vectors=FILE` reads them from a text file, a word and its numbers a
line (GloVe, word2vec's text format); without it every word gets a random vector that depends on its letters alone.
The vectors are not trained. Reviews are cut after `length` words. A tenth of the training part is held out to select
by.
"""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from skiprnn.channels import Feature
from skiprnn.data.dataset import Numbers, Split, data_set
from skiprnn.data.types import Batch, Data, Signal
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

CLASSES = ("neg", "pos")
DIMENSIONS = 300  # of random vectors

_WORD = re.compile(r"[a-z']+")
_BREAK = "<br />"


def _load(source: Source) -> Data:
    folder = source.need_folder("train/pos, train/neg, test/pos and test/neg (aclImdb)")
    reviews = {part: _reviews(folder / part, source.options["length"]) for part in ("train", "test")}
    words = [words for part in reviews.values() for words, _ in part]
    table = _table({word for review in words for word in review}, source.options["vectors"])
    y = torch.tensor([label for part in reviews.values() for _, label in part])
    split = Split.published(len(reviews["train"]), len(reviews["test"]), 0.1)
    fetch = _Fetch(words, y, table)
    dimensions = len(next(iter(table.values())))
    network = {
        "input_size": dimensions,
        "output_size": 2,
        "features": tuple(Feature(f"dimension {index}") for index in range(dimensions)),
        "classes": CLASSES,
    }
    lengths = np.array([len(review) for review in words])
    samples = [fetch.signal(number) for number in split.validation[:4]]
    return data_set(network, fetch, split, source.recipe.batch_size, lengths=lengths, samples=samples)


def _reviews(folder: Path, length: int) -> list[tuple[list[str], int]]:
    reviews = []
    for label, name in enumerate(CLASSES):
        paths = sorted((folder / name).glob("*.txt"))
        if not paths:
            raise FileNotFoundError(f"{folder / name}: expected reviews, a .txt file each, found none")
        for path in paths:
            text = path.read_text(encoding="utf-8").replace(_BREAK, " ").lower()
            reviews.append((_WORD.findall(text)[:length] or [""], label))
    return reviews


def _table(words: set[str], vectors: str) -> Mapping[str, Signal]:
    """A vector for every word; words that the file does not have get the mean of those that it has."""
    if not vectors:
        return {word: _random_vector(word) for word in words}
    with Path(vectors).open(encoding="utf-8") as lines:
        known = read_vectors(lines, words)
    if not known:
        raise ValueError(
            f"{vectors}: expected lines of a word and its numbers, found none of the reviews' words"
        )
    mean: Signal = np.mean(list(known.values()), axis=0)
    return {word: known.get(word, mean) for word in words}


def read_vectors(lines: Iterable[str], words: set[str]) -> dict[str, Signal]:
    """The vectors of these words in a file of `word number number …` lines; a header of two numbers is passed over."""
    found = {}
    for line in lines:
        word, _, numbers = line.rstrip().partition(" ")
        if word in words and " " in numbers:
            found[word] = np.array(numbers.split(), np.float32)
    return found


def _random_vector(word: str) -> Signal:
    rng = np.random.default_rng(zlib.crc32(word.encode()))
    return rng.standard_normal(DIMENSIONS, dtype=np.float32)


class _Fetch:
    """Reviews by their numbers, as padded vectors: all at once would not fit in memory."""

    def __init__(self, words: Sequence[Sequence[str]], y: torch.Tensor, table: Mapping[str, Signal]) -> None:
        self._words, self._y, self._table = words, y, table

    def signal(self, number: int) -> Signal:
        return np.stack([self._table[word] for word in self._words[number]])

    def __call__(self, numbers: Numbers) -> Batch:
        signals = [torch.from_numpy(self.signal(number)) for number in numbers]
        x = torch.nn.utils.rnn.pad_sequence(signals, batch_first=True)
        lengths = torch.tensor([len(signal) for signal in signals])
        return Batch(x, self._y[torch.from_numpy(numbers)], lengths)


_PAPER = Recipe(hidden_size=128, dropout=0.2, epochs=50, batch_size=128, lambda_=1e-4)

TASK = Task(
    name="imdb",
    summary="is a film review positive; from your copy of aclImdb (the paper's section 4.4)",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=_PAPER.changed(
        {"cell": "gru", "learning_rate": 1e-3, "epochs": 10, "learning_rate_schedule": "cosine", "ramp": 0.5}
    ),
    paper=_PAPER,
    options={"length": 200, "vectors": ""},
)
