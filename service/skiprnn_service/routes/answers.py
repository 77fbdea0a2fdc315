"""Answers of the routes in JSON: components of the OpenAPI document."""

from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic takes no other below Python 3.12


class Error(TypedDict):
    """Every answer from status 400 on."""

    error: str
    code: str


# -- /v1


class Channel(TypedDict):
    """A feature of a model, or a target of a regression."""

    name: str
    unit: str


class Events(TypedDict):
    """When outputs are an alarm: docs/reference/bundle.md; `refractory` in samples."""

    background: str
    threshold: float
    refractory: int


class Model(TypedDict):
    """A model that is served; `recording`: samples to try it on came with it."""

    name: str
    version: str
    cell: str
    layers: int
    hidden: int
    features: list[Channel]
    outputs: int
    classes: list[str]
    targets: list[Channel]
    task: str
    multi_label: bool
    events: Events | None
    threshold: float
    max_skip: int
    gate: str
    period: int | None
    sample_rate: float | None
    training: dict[str, Any]
    sha256: str
    recording: bool
    batching: str
    live_streams: int


class Failure(TypedDict):
    """A file that is not served."""

    name: str
    version: str
    reason: str


class Models(TypedDict):
    """What is served, and what is not and why."""

    models: list[Model]
    failed: list[Failure]


class Update(TypedDict):
    """An update of a scored sequence: index of its sample, and its outputs."""

    t: int
    y: list[float]


class _Score(TypedDict):
    id: int | str
    y: list[float]


@with_config(ConfigDict(extra="allow"))  # the outputs are the model's
class Score(_Score, total=False):
    """The scores of one sequence, or of a row as `per` says; beside these fields one number an output, by its name.

    `label` where the outputs are classes, `event` where they are events, `updates` unless the request has
    `updates=false`.
    """

    label: str
    event: str
    samples: int
    update_count: int
    updates: list[Update]
    row: int
    t: int
    updated: bool


class Scores(TypedDict):
    """The scores of all sequences of a request, in their order."""

    model: str
    version: str
    scores: list[Score]


class Ticket(TypedDict):
    """Opens one stream."""

    ticket: str
    expires_in_seconds: int


class ModelCounts(TypedDict):
    """Counts of a model since the server started."""

    name: str
    version: str
    live: int
    messages: int
    samples: int
    updates: int


class Counters(TypedDict):
    """Counts since the server started."""

    models: list[ModelCounts]
    parked: int | None
    resumed: int
    expired: int
    draining: bool


class Owned(TypedDict):
    """A stream's shortened id, and its principal."""

    id: str
    owner: str


class StreamRow(Owned):
    """A live or a parked stream."""

    state: str
    model: str
    version: str
    wake: int
    samples: int
    updates: int
    next: int


class Streams(TypedDict):
    """Some of the streams, and how many there are."""

    streams: list[StreamRow]
    live: int
    parked: int | None


# -- /v2


class Live(TypedDict):
    """The process answers."""

    live: bool


class Ready(TypedDict):
    """Whether streams can be opened, and what is wrong."""

    ready: bool
    draining: bool
    failed: dict[str, str]
    nothing_served: str
    padded_or_inexact: list[str]
    saving: str


class Server(TypedDict):
    """The server, and the extensions of the protocol that it supports."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    """An input or an output; −1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(TypedDict):
    """Inputs and outputs of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class TensorConfig(TypedDict):
    """An input or an output without the dimension of the batch."""

    name: str
    data_type: str
    dims: list[int]


class OldestFirst(TypedDict):
    """Triton's sequence batcher of this name."""

    max_candidate_sequences: int
    max_queue_delay_microseconds: int


class SequenceBatching(TypedDict):
    """That a model takes sequences, and how."""

    max_sequence_idle_microseconds: int
    oldest: OldestFirst


class ModelConfig(TypedDict):
    """A model's configuration in Triton's terms."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]
    sequence_batching: SequenceBatching


class Duration(TypedDict):
    """How often, and nanoseconds in all."""

    count: int
    ns: int


class InferenceStatistics(TypedDict):
    """Durations of requests; `success` is the sum of queue and compute."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class ModelStatistics(TypedDict):
    """Statistics of a model since the server started; `last_inference` is milliseconds since 1970."""

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[dict[str, Any]]


class Statistics(TypedDict):
    """Statistics of some models."""

    model_stats: list[ModelStatistics]


class IndexEntry(TypedDict):
    """A model of the folder: READY, or UNAVAILABLE and why."""

    name: str
    version: str
    state: str
    reason: str


class _OutputTensor(TypedDict):
    name: str
    datatype: str
    shape: list[int]


class OutputTensor(_OutputTensor, total=False):
    """An output with its data, or with `binary_data_size` in `parameters`: then its bytes follow the JSON."""

    data: list[float] | list[bool]
    parameters: dict[str, Any]


class _Inference(TypedDict):
    model_name: str
    model_version: str
    outputs: list[OutputTensor]


class Inference(_Inference, total=False):
    """The outputs that were asked for; all where none were."""

    id: str
