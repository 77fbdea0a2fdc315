"""A folder of sequences: each file is read whole, a bad one is named, and the others are scored.

Files are scored together, since one short sequence would not fill a batch.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skiprnn.data.files import is_hidden, is_prose
from skiprnn_cli.score import files
from skiprnn_cli.score.run import Options, prepared_runner
from skiprnn_cli.timing import not_as_trained
from skiprnn_export import read as read_bundle
from skiprnn_export.escaping import escaped
from skiprnn_service.errors import ClientError, ContentTypeError, MessageError, TooLargeError
from skiprnn_service.scoring import job
from skiprnn_service.scoring.formats.base import Example, Input, Scored
from skiprnn_service.scoring.formats.registry import FORMATS, format_of_file, needs_pyarrow, read, writer
from skiprnn_service.scoring.formats.tables import pyarrow

if TYPE_CHECKING:
    from skiprnn_service.scoring.formats.rows import RowWriter

FILE = "file"  # the column that says which file a row is from


class Item(NamedTuple):
    """A file, and what is in it."""

    path: Path
    found: Input  # but for its sequences
    examples: list[Example]


class FolderRun:
    """One run over the files of a folder.

    Args:
        model: the bundle.
        data: the folder.
        out: a folder, which gets the same tree, or a file for the scores of all.
        suffix: of the files in a folder of scores, such as ".csv"; None: that of each file.

    Attributes:
        failed: the files that could not be scored, and why.
        left_out: files whose names end in no known format, and text without columns.
        warnings: of the readers, by file.
        not_as_trained: what live tools do not do that training does, by file.
        seconds, samples: what was scored.

    Raises:
        OSError, BundleError: a file cannot be read.
        ContentTypeError: the format of the output is not known.
        MessageError: there is nothing to score, or two files would have the same scores' file.
    """

    def __init__(
        self, model: Path, data: Path, out: Path, options: Options, *, suffix: str | None = None
    ) -> None:
        self.bundle, self.data, self.out, self._options = read_bundle(model), data, out, options
        self._suffix = None if suffix is None else f".{suffix.removeprefix('.')}"
        self._check_out()
        self.files, self.left_out = self._listed()
        self.failed, self.warnings = dict[str, str](), dict[str, tuple[str, ...]]()
        self.not_as_trained = dict[str, str]()
        self.seconds, self.samples, self.resumed = 0.0, 0, False
        if not self.files:
            raise MessageError(f"{data}: expected files of sequences in the folder, found none")
        self._targets = {path: self._target(path) for path in self.files}
        self._check_targets()

    @property
    def is_table(self) -> bool:
        """The scores of all go to one file."""
        return not is_folder(self.out)

    def _check_out(self) -> None:
        """Scores among the data would be read as data by the next run."""
        data, out = self.data.resolve(), self.out.resolve()
        if out in (data, *data.parents):
            raise MessageError(
                f"--out: expected a folder within or beside the data, got {self.out}, which contains {self.data}: "
                "choose another one"
            )

    def _listed(self) -> tuple[list[Path], list[Path]]:
        """Files of known formats, and all others, also text without columns; neither hidden ones nor those of `out`."""
        found, left = list[Path](), list[Path]()
        for path in sorted(self.data.rglob("*")):
            inside = path.relative_to(self.data)
            if is_hidden(inside) or not path.is_file():
                continue
            if self._is_of_out(path):
                continue
            (found if _is_known(path) and not is_prose(path) else left).append(path)
        return found, left

    def _is_of_out(self, path: Path) -> bool:
        """Whether a file is one of scores: where it stands, or, of a link, where it leads to."""
        out, stands = self.out.resolve(), _standing(path)
        places = {path.resolve(), *path.resolve().parents, stands, *stands.parents}
        return not places.isdisjoint([out, _standing(self.out)])

    def _target(self, path: Path) -> Path:
        if self.is_table:
            return self.out
        inside = self.out / path.relative_to(self.data)
        if self._suffix is None:
            return inside
        plain = inside.with_suffix("") if inside.suffix.lower() == ".gz" else inside
        return plain.with_suffix(self._suffix)

    def _check_targets(self) -> None:
        names = [format_of_file(target) for target in self._targets.values()]
        if needs_pyarrow(*names, *map(format_of_file, self.files)):
            pyarrow()  # fails before any work
        known = dict[Path, Path]()
        for path, target in self._targets.items() if not self.is_table else ():
            if known.setdefault(target, path) != path:
                raise MessageError(
                    f"{target}: expected the scores of one file, got {known[target]} and {path}"
                )

    def name(self, path: Path) -> str:
        """A file's path in the folder."""
        return path.relative_to(self.data).as_posix()

    def score(self, threads: int, batch: int, on_file: Callable[["job.Totals"], None]) -> "job.Totals":
        """Score all files; those that cannot be are in `failed` then. Returns the totals of the others."""
        self._runner, totals = prepared_runner(self.bundle, threads, batch), job.Totals()
        with self._writers() as write:
            for items in self._groups():
                for item, scored in self._scored(items):
                    with self._failing(item.path):
                        write(item, scored)
                        totals = totals.plus(scored)
                        on_file(totals)
        return totals

    @contextlib.contextmanager
    def _failing(self, path: Path) -> Iterator[None]:
        """What is wrong with a file is noted, and the others go on."""
        try:
            yield
        except (ClientError, OSError, ValueError, MemoryError) as error:
            self.failed[self.name(path)] = str(error) or repr(error)

    def _groups(self) -> Iterator[list[Item]]:
        """Files that are scored together."""
        group, held, count = list[Item](), 0, 0
        for path in self.files:
            with self._failing(path):
                group.append(self._read(path))
                held += sum(example.x.nbytes for example in group[-1].examples)
                count += len(group[-1].examples)
            if held >= job.CHUNK_BYTES or count >= job.CHUNK_SEQUENCES:
                yield group
                group, held, count = [], 0, 0
        if group:
            yield group

    def _read(self, path: Path) -> Item:
        name, held, examples = self.name(path), 0, list[Example]()
        with files.sequences(path) as (source, _):
            spec = self._options.input_spec(self.bundle)
            found = read(format_of_file(path), source, spec, name=lambda n: f"{name}/{n}" if n else name)
            self.warnings |= {name: found.warnings} if found.warnings else {}
            for example in found.examples:
                held += example.x.nbytes
                if held > spec.max_bytes:
                    raise TooLargeError(
                        f"expected {spec.max_bytes} bytes of samples at most: score it by itself"
                    )
                examples.append(example._replace(carried=(np.array([name]), *example.carried)))
        if said := not_as_trained(path, self.bundle.info.sample_rate, rates=False):
            self.not_as_trained[name] = said
        if not examples:
            raise MessageError("expected one sequence at least, got none")
        return Item(path, found._replace(examples=iter(()), carried=(FILE, *found.carried)), examples)

    def _scored(self, items: Sequence[Item]) -> Iterator[tuple[Item, list[Scored]]]:
        """Together; where that fails, one by one, to know which file it is."""
        thresholds = {item.found.threshold for item in items}
        with contextlib.suppress(ClientError):
            if len(thresholds) == 1:
                scored = self._score([example for item in items for example in item.examples], *thresholds)
                rest = iter(scored)
                for item in items:
                    yield item, list(islice(rest, len(item.examples)))
                return
        for item in items:
            with self._failing(item.path):
                yield item, self._score(item.examples, item.found.threshold)

    def _score(self, examples: Sequence[Example], threshold: float | None) -> list[Scored]:
        started, chosen = time.perf_counter(), self._options.threshold
        scored = job.score_chunk(
            self._runner, examples, threshold=threshold if chosen is None else chosen, first=0
        )
        self.seconds += time.perf_counter() - started
        self.samples += sum(one.score.samples for one in scored)
        return scored

    @contextlib.contextmanager
    def _writers(self) -> Iterator[Callable[[Item, list[Scored]], None]]:
        """Writes the scores of one file after another."""
        if not self.is_table:
            yield self._write_file
            return
        with files.scores(self.out) as sink:
            opened, written = list["RowWriter"](), list[Path]()

            def write(item: Item, scored: list[Scored]) -> None:
                if not opened:
                    spec = self._options.output_spec(self.bundle, item.found)
                    opened.append(writer(format_of_file(self.out), sink, spec))
                opened[0].next_file()
                opened[0].write(scored)
                written.append(item.path)

            yield write
            if not written:
                raise MessageError(f"{self.data}: no file could be scored: {self.first_failure()}")
            opened[0].close()

    def first_failure(self) -> str:
        """The first file that failed, and why."""
        return escaped(": ".join(next(iter(self.failed.items()), ("", ""))))

    def _write_file(self, item: Item, scored: list[Scored]) -> None:
        target = self._targets[item.path]
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.scores(target) as sink:
            out = writer(format_of_file(target), sink, self._options.output_spec(self.bundle, item.found))
            out.write(scored)
            out.close()


def _standing(path: Path) -> Path:
    """Where a file stands: a link is not followed, folders are."""
    return path.parent.resolve() / path.name


def is_folder(out: Path) -> bool:
    """Whether scores go to a folder: one that is there, or a name without a suffix."""
    return out.is_dir() or not (out.suffix or out.exists())


def _is_known(path: Path) -> bool:
    try:
        return format_of_file(path) in FORMATS
    except ContentTypeError:
        return False
