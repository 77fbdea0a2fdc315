"""Every setting of the server: by flag, by environment (`SKIPRNN_…`), by file (TOML), in that order of precedence.

Last comes a file of its own in /run/secrets, where container engines put what must not stand in an environment:
/run/secrets/skiprnn_store_url holds the setting `store_url`.

docs/reference/settings.md lists them; a test holds the page, the flags of `skiprnn serve` and this class together.
"""

import logging
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, create_model, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

SHIPPED_MODELS = Path(__file__).parent / "bundles"
_SECRETS = Path("/run/secrets")
_LONGEST_SECONDS = 1e9  # 30 years: timers and Redis count in ms or µs, and overflow at far more

# Names of version 0.1, which work in this release alone.
RENAMED = {
    "models": "models_dir",
    "store": "store_url",
    "api_keys": "api_keys_file",
    "jwt_keys": "jwks_file",
    "ticket_secret": "ticket_secret_file",
    "tls_certificate": "ssl_certfile",
    "tls_key": "ssl_keyfile",
    "pinned_models": "allowed_digests",
    "request_timeout_seconds": "read_timeout_seconds",
    "max_unread_bytes": "write_high_water_bytes",
    "slow_client_seconds": "slow_client_timeout_seconds",
    "inline_below_us": "inline_step_below_us",
    "threads": "intra_op_threads",
    "websocket": "websocket_impl",
}
RENAMED_VALUES = {("websocket", "direct"): "fast"}
_PREFIX = "SKIPRNN_"
# Variables of other parts: the command line, the tests and the deployment.
_OTHERS = {
    *(
        "SKIPRNN_API_KEY",
        "SKIPRNN_REQUIRE_ALL",
        "SKIPRNN_MODELS_FOLDER",
        "SKIPRNN_PUBLISH",
        "SKIPRNN_PUBLISH_HA",
    ),
    *("SKIPRNN_CPUS", "SKIPRNN_MEMORY", "SKIPRNN_OPEN_FILES", "SKIPRNN_STAND_IN_ENGINE"),
    *("SKIPRNN_ENGINE_FOLDER", "SKIPRNN_KEEP_ENGINE"),
}

_log = logging.getLogger(__name__)


class Settings(BaseSettings):
    """What `skiprnn serve` can be told. Units are in the names.

    Raises:
        pydantic.ValidationError: a value of the wrong type or out of range; says which and why.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,  # pydantic warns of a folder that is not there
    )

    # where
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    models_dir: Path = Field(
        SHIPPED_MODELS,
        description="Folder of bundles: NAME.onnx, NAME/VERSION.onnx or NAME/VERSION/model.onnx.",
    )
    model_poll_seconds: float = Field(
        0,
        ge=0,
        le=_LONGEST_SECONDS,
        description="Interval between checks for changed bundles; 0 checks on SIGHUP and request only.",
    )
    strict_readiness: bool = Field(
        False,
        description="Ready only while every bundle in the folder is served; else while at least one is.",
    )

    ssl_certfile: Path | None = Field(None, description="PEM file with the server's certificate chain.")
    ssl_keyfile: Path | None = Field(None, description="PEM file with the private key of the certificate.")

    allowed_digests: Path | None = Field(
        None,
        description="File with the SHA-256 digests of the bundles that may be served, one a line, "
        "as `sha256sum` prints them.",
    )

    # authentication and admission
    api_keys_file: Path | None = Field(
        None, description="File of API keys (`skiprnn keys add`). Clients must then send one."
    )
    jwks_file: Path | None = Field(
        None, description="JWKS file. Clients must then send a JSON Web Token or an API key."
    )
    jwt_issuer: str | None = Field(None, description="Required `iss` of a token.")
    jwt_audience: str | None = Field(None, description="Required `aud` of a token.")
    ticket_secret_file: Path | None = Field(
        None,
        description="File of 32 bytes or more that replicas share, so that each accepts the others' tickets.",
    )
    allowed_origins: str = Field(
        "", description="Origins of other sites whose pages may connect, separated by commas; * allows all."
    )
    allowed_hosts: str = Field(
        "",
        description="Host names of the server, separated by commas; requests for others are rejected with 421. "
        "localhost, host and IP addresses are always among them. * allows all. Default: all with keys, none without.",
    )
    metadata_access: Literal["public", "keyed"] | None = Field(
        None,
        description="Access to /metrics, /v1/models and /v2/models: public, or keyed (with any valid key or token). "
        "None: keyed where keys are configured, else public.",
    )
    allow_unauthenticated: bool = Field(
        False, description="Allow non-loopback addresses without authentication."
    )
    max_streams_per_principal: int = Field(
        1000, ge=1, description="Live streams of one principal; more are rejected with 429."
    )
    max_opens_per_minute: int = Field(
        6000, ge=1, description="Streams that one principal may open a minute; more are rejected with 429."
    )
    max_connections: int = Field(
        20_000, ge=1, description="Connections of all kinds; more are rejected with 503."
    )
    read_timeout_seconds: float = Field(
        10,
        gt=0,
        le=_LONGEST_SECONDS,
        description="Limit for the head of a request, and between two chunks of its body.",
    )

    # the engine
    max_streams: int = Field(
        10_000, ge=1, le=10_000_000, description="Live streams of a model; more are rejected with 503."
    )
    max_batch: int = Field(256, ge=1, le=4096, description="Rows of one update step.")
    max_step_bytes: int = Field(
        1_073_741_824,
        ge=1024,
        description="Memory of one update step of max_batch rows; bundles that need more are not served.",
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu",
        description="Device of update steps. cuda needs the gpu extra and a GPU; auto falls back to the CPU.",
    )
    intra_op_threads: int = Field(
        1, ge=1, le=256, description="Threads of one update step; two pay off from H = 256 on."
    )
    inline_step_below_us: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="Update steps predicted to take less run on the event loop, others on a thread. "
        "None: 200, or all on the loop where there is one core.",
    )
    websocket_impl: Literal["fast", "asgi"] = Field(
        "fast",
        description="fast: frames are parsed by the protocol class of this package. "
        "asgi: by uvicorn's own (slower).",
    )

    # one connection
    max_message_bytes: int = Field(1_048_576, ge=1024, description="Longest websocket message.")
    max_samples: int = Field(4096, ge=1, description="Samples in one message.")
    max_pending_messages: int = Field(
        64,
        ge=1,
        description="Unanswered messages of a connection; at more the server stops reading from it.",
    )
    max_queued_bytes: int = Field(
        4_194_304,
        ge=1024,
        description="Bytes of unanswered messages of a connection; at more the server stops reading from it.",
    )
    write_high_water_bytes: int = Field(
        1_048_576,
        ge=1024,
        description="Bytes of replies that wait to be sent; at more the server stops reading from the connection.",
    )
    slow_client_timeout_seconds: float = Field(
        30,
        gt=0,
        le=_LONGEST_SECONDS,
        description="Time a client may take to read waiting replies (else 4410) "
        "or 128 KiB of an HTTP answer (else a reset).",
    )
    idle_timeout_seconds: float = Field(
        300,
        gt=0,
        le=_LONGEST_SECONDS,
        description="Time without a message after which a stream is parked and its connection closed.",
    )
    ping_interval_seconds: float = Field(
        30, gt=0, le=_LONGEST_SECONDS, description="Interval between pings, which detect vanished clients."
    )
    ping_timeout_seconds: float = Field(60, gt=0, le=_LONGEST_SECONDS, description="Time a pong may take.")

    # whole sequences
    max_json_bytes: int = Field(
        4_194_304,
        ge=1024,
        description="JSON of one request. It is parsed in one step, and streams wait meanwhile.",
    )
    max_request_bytes: int = Field(
        67_108_864, ge=1024, description="A request body, a sequence or an answer that is held in memory."
    )
    max_score_bytes: int = Field(
        1_073_741_824,
        ge=1024,
        description="Sequences of one scoring request, and their scores; large ones wait on disk.",
    )
    max_spool_bytes: int | None = Field(
        None,
        ge=1024,
        description="Bodies and answers of all scoring requests that are on the disk (TMPDIR) at a time; "
        "more are rejected with 503. None: four times max_score_bytes.",
    )
    max_scoring: int = Field(
        1,
        ge=1,
        le=64,
        description="Requests scored at the same time, small ones and large ones (over 1 MiB) each; "
        "one uses a core when streams leave one free.",
    )
    scoring_memory_bytes: int = Field(
        2_147_483_648,
        ge=536_870_912,
        description="Memory of a scoring process; a request that needs more is rejected with 413. "
        "There are 2 × max_scoring processes, which end when idle.",
    )
    scoring_cpu_seconds: int = Field(
        600,
        ge=1,
        description="Processor time of one scoring request; one that needs more is rejected with 413.",
    )
    scoring_priority: Literal["idle", "low", "normal"] = Field(
        "idle",
        description="Processor share of large requests: what is left over, a small share, or an equal share.",
    )
    max_scoring_waiting: int = Field(
        16,
        ge=0,
        description="Requests that wait to be scored, small ones and large ones each; "
        "more are rejected with 503.",
    )

    # durability
    store_url: str = Field(
        "memory", description="Store of parked streams: memory, sqlite:///PATH or redis://HOST:PORT/DB."
    )
    snapshot_interval_seconds: float = Field(
        1,
        gt=0,
        le=_LONGEST_SECONDS,
        description="Interval between two writes of changed streams to a durable store.",
    )
    stream_ttl_seconds: float = Field(
        600,
        gt=0,
        le=_LONGEST_SECONDS,
        description="Time a parked stream waits for its client before it expires.",
    )
    max_parked_streams: int = Field(
        100_000,
        ge=1,
        description="Streams parked in memory or SQLite; beyond it the oldest of the principal "
        "with most are dropped.",
    )
    max_parked_streams_per_principal: int = Field(
        10_000,
        ge=1,
        description="Streams of one principal parked in memory or SQLite; beyond it their oldest are dropped.",
    )
    drain_seconds: float = Field(
        2,
        ge=0,
        le=_LONGEST_SECONDS,
        description="Time between the notice (go_away) and the close of connections at shutdown.",
    )

    # observability
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )
    log_format: Literal["text", "json"] = Field("text", description="Format of log lines.")
    otlp_endpoint: str | None = Field(
        None, description="Collector of traces, such as http://127.0.0.1:4318 (OpenTelemetry over HTTP)."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_empty_path(cls, value: Any, info: ValidationInfo) -> Any:
        """An empty value, such as of a variable that is not set, would be the current folder."""
        of_path = cls.model_fields[str(info.field_name)].annotation in (Path, Path | None)
        if of_path and str(value) == "":
            raise ValueError("expected a path, got an empty value")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then file, then secrets; each with the names of version 0.1."""
        secrets = getattr(file_secret_settings, "secrets_dir", None)
        _check_secrets(secrets)
        env = EnvSettingsSource(_OldSettings)() | env_settings()
        files = SecretsSettingsSource(_OldSettings, secrets)() | file_secret_settings()
        return (
            InitSettingsSource(settings_cls, _renamed(init_settings(), "{}")),
            InitSettingsSource(settings_cls, _renamed(env, _PREFIX + "{}")),
            _TomlSource(settings_cls),
            InitSettingsSource(settings_cls, _renamed(files, "skiprnn_{}")),
        )


class _TomlSource(TomlConfigSettingsSource):
    def __call__(self) -> dict[str, Any]:
        """pydantic would take names in any case. A name of none is its error."""
        names = self.settings_cls.model_fields.keys() | RENAMED
        for name in self.toml_data:
            if name not in names and name.lower() in names:
                raise ValueError(f"{name}: expected the name of a setting in lower case, {name.lower()}")
        return _renamed(super().__call__(), "{}")


def _check_secrets(folder: Any) -> None:
    """Container engines make a folder where the file that they were told to mount is missing."""
    for file in Path(folder).iterdir() if folder is not None else ():
        setting = file.name.lower().removeprefix("skiprnn_")
        is_named = setting != file.name.lower() and (setting in Settings.model_fields or setting in RENAMED)
        if is_named and not file.is_file():
            raise ValueError(f"{setting}: expected a file that holds its value, {file} is none")


_OldSettings = create_model(  # type: ignore[call-overload]  # the fields are RENAMED's
    "_OldSettings", __base__=BaseSettings, **dict.fromkeys(RENAMED, (str | None, None))
)
_OldSettings.model_config["env_prefix"] = Settings.model_config["env_prefix"]


def _renamed(given: dict[str, Any], written: str) -> dict[str, Any]:
    """Settings under their names of today; a new name wins over an old one. `written`: how the source has a name."""
    old = {name: value for name, value in given.items() if name in RENAMED}
    for name in old:
        before, now = _as_written(name, written), _as_written(RENAMED[name], written)
        both = f"; both are given, and {now} wins" if RENAMED[name] in given else ""
        _log.warning("%s is now %s; %s will be removed in the next release%s", before, now, before, both)
    moved = {RENAMED[name]: RENAMED_VALUES.get((name, str(value)), value) for name, value in old.items()}
    return moved | {name: value for name, value in given.items() if name not in RENAMED}


def words(setting: str) -> frozenset[str]:
    """Those of a setting that separates them by commas."""
    return frozenset(word.strip() for word in setting.split(",") if word.strip())


def _as_written(name: str, source: str) -> str:
    return source.format(name.upper() if source.isupper() else name)


def _warn_of_unknown_variables() -> None:
    known = {f"{_PREFIX}{name.upper()}" for name in (*Settings.model_fields, *RENAMED)}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in known | _OTHERS:
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            meant = f"; did you mean {close[0]}?" if close else ""
            _log.warning("the variable %s is not a setting%s", name, meant)


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings of a server.

    Args:
        config: a TOML file of settings.
        flags: what was given on the command line; None: nothing was.

    Raises:
        pydantic.ValidationError: see `Settings`.
        FileNotFoundError: there is no such file.
        ValueError: it is not TOML, or has a name in capitals; or a secret is no file.
    """
    _warn_of_unknown_variables()
    given = {name: value for name, value in flags.items() if value is not None}
    if config is None:
        return Settings(**given)
    if not config.is_file():
        raise FileNotFoundError(f"--config: expected a TOML file, found none at {config}")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        return FromFile(**given)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config: expected TOML in {config}: {error}") from None


@contextmanager
def readable_file(setting: str) -> Iterator[None]:
    """Errors of the block that do not name the setting, do."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, f"{setting}: {error.strerror}", error.filename) from None
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
