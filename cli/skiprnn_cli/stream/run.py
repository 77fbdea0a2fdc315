"""One source through one stream: its pace, its connections, what is shown of it."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console

from skiprnn.channels import Feature
from skiprnn_cli.console import log_lines
from skiprnn_cli.stream.missing import Missing
from skiprnn_cli.stream.picture import Picture
from skiprnn_cli.stream.sources import Format, Source, SourceError, open_source
from skiprnn_cli.stream.view import JsonLines, PlainLines, View
from skiprnn_cli.timing import not_as_trained

if TYPE_CHECKING:
    from skiprnn_client import Ready

T = TypeVar("T")


class Run:
    """One source through one stream, however often it connects.

    The client asks for a sample when the one before is settled, so what it asks for and what it hands out, in that
    order, is all that a view needs.

    Args:
        source: name of a file; - is standard input.
        format: of the source; None: from its name.
        sample_rate: Hz; None: as fast as samples come.
        real_time: without a sample_rate, that of the recording, else of the model.
        wake: do not send samples that the network skips.
        json: show JSON lines.
        missing: what becomes of rows with empty cells.
        decimal: the decimal mark of CSV; empty: it is found.
    """

    def __init__(
        self,
        source: str,
        format: Format | None,
        *,
        sample_rate: float | None,
        real_time: bool,
        wake: bool,
        json: bool,
        missing: Missing = Missing.ERROR,
        decimal: str = "",
    ) -> None:
        self._missing, self._decimal = missing, decimal
        self._source, self._format, self._wake, self._json = source, format, wake, json
        self._sample_rate, self._real_time = sample_rate, real_time
        self._ready: Ready | None = None
        self._view: View | None = None
        self._requested_at = 0.0
        self._next = 0  # index of the sample with which the stream can go on

    def pump(self, url: str, *, retry_timeout_seconds: float, **options: Any) -> None:
        """Stream until the source ends. `options` are those of `stream_sync`; its errors are raised."""
        from skiprnn_client import RetryPolicy, stream_sync

        retry = RetryPolicy(retry_timeout_seconds=retry_timeout_seconds) if retry_timeout_seconds else None
        options |= {"wake": self._wake, "retry": retry, "on_ready": self._on_ready}
        with (
            log_lines("skiprnn_client", self._notice, level=logging.INFO),
            ExitStack() as self._shown,
            closing(stream_sync(url, self._samples(), **options)) as updates,
        ):
            for update in updates:
                assert self._view is not None  # updates answer samples
                self._next = update.t + 1
                self._view.add_update(update, self._round_trip())

    def interrupted(self) -> str:
        """The message for an interrupted stream: how to resume it, once its name is known."""
        if self._ready is None:
            return "interrupted"
        live = "" if self._is_whole() else f"; give only the samples from t={self._next} on"
        return f"interrupted; --stream-id {self._ready.stream_id} resumes the stream{live}"

    def _is_whole(self) -> bool:
        """The source is a file: it can be read again from its first sample on."""
        return Path(self._source).is_file()

    def _notice(self, text: str) -> None:
        if self._view is None:  # before the first sample
            typer.echo(text, err=True)
        else:
            self._view.notice(text)

    def _round_trip(self) -> float | None:
        """Seconds. Only with `wake` is every sample answered before the next is asked for."""
        return time.perf_counter() - self._requested_at if self._wake else None

    def _on_ready(self, ready: "Ready") -> None:
        if self._ready is not None:
            self._notice("connected again")
        if self._ready is None:
            self._ready, self._next = ready, ready.next

    def _samples(self) -> Iterator[list[float] | None]:
        """Called once the server is ready."""
        assert self._ready is not None
        features, channels = self._ready.features, _channels(self._ready)
        with open_source(
            self._source,
            features,
            self._format,
            channels=channels,
            notice=self._notice,
            missing=self._missing,
            decimal=self._decimal,
        ) as source:
            self._say_what_is_not_as_trained(self._ready)
            source = self._from_next(source, self._ready)
            self._view = view = self._shown.enter_context(self._new_view(self._ready, source))
            for x in _paced(source.samples, self._pace(self._ready, source)):
                view.add_sample(x)
                self._requested_at = time.perf_counter()
                yield x

    def _say_what_is_not_as_trained(self, ready: "Ready") -> None:
        path = Path(self._source)
        if path.is_file() and (said := not_as_trained(path, ready.facts.get("sample_rate"))):
            self._notice(said)

    def _from_next(self, source: Source, ready: "Ready") -> Source:
        """The samples that a resumed stream has not processed yet."""
        t, samples = ready.next, source.samples
        resumed = f"stream {ready.stream_id} is resumed at t={t}"
        if t and not self._is_whole():
            self._notice(f"{resumed}: give only the samples from there on")
        if t == 0 or not self._is_whole():
            return source
        passed = sum(1 for _ in islice(samples, t))
        if not (first := list(islice(samples, 1))):
            raise SourceError(
                f"{self._source}: expected more than {t} samples, since {resumed}, got {passed}; "
                "give other samples on standard input, or another --stream-id"
            )
        self._notice(f"{resumed}: the samples before it are skipped in {self._source}")
        return Source(chain(first, samples), source.sample_rate, source.length and source.length - t)

    def _pace(self, ready: "Ready", source: Source) -> float | None:
        """Samples a second; None: as fast as they come."""
        if self._sample_rate or not self._real_time:
            return self._sample_rate
        rate = source.sample_rate or ready.facts.get("sample_rate")
        if not rate:
            raise ValueError(
                "--real-time: expected a recording or a model that states its sample rate, got neither; "
                "give --sample-rate"
            )
        return float(rate)

    def _new_view(self, ready: "Ready", source: Source) -> View:
        console = Console()
        if self._json:
            return JsonLines(ready, console=console, wake=self._wake)
        if console.is_terminal:
            return Picture(ready, console=console, wake=self._wake, length=source.length)
        return PlainLines(ready, console=console, wake=self._wake)


def _channels(ready: "Ready") -> list[Feature]:
    return [Feature(channel["name"], channel.get("unit", "")) for channel in ready.channels]


def _paced(items: Iterable[T], rate: float | None) -> Iterator[T]:
    """`rate` items a second. What was late is made up for."""
    start = time.monotonic()
    for number, item in enumerate(items):
        if rate is not None:
            time.sleep(max(start + number / rate - time.monotonic(), 0))
        yield item
