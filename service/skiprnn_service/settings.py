"""Every setting of the server: by flag, by environment (`SKIPRNN_…`), by file (TOML), in that order of precedence.

Last comes a file of its own in /run/secrets, where container engines put what nobody should see in an environment:
/run/secrets/skiprnn_store holds the setting `store`.

docs/reference/settings.md lists them; a test holds the page, the flags of `skiprnn serve` and this class together.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

SHIPPED_MODELS = Path(__file__).parent / "bundles"
_SECRETS = Path("/run/secrets")


class Settings(BaseSettings):
    """What `skiprnn serve` can be told. Units are in the names.

    Raises:
        pydantic.ValidationError: a value of the wrong kind or out of range; says which and why.
    """

    model_config = SettingsConfigDict(
        env_prefix="SKIPRNN_",
        extra="forbid",
        frozen=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,  # pydantic warns of a folder that is not there
    )

    # where
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    models: Path = Field(SHIPPED_MODELS, description="Folder of bundles: NAME.onnx or NAME/VERSION.onnx.")
    model_poll_seconds: float = Field(
        0, ge=0, description="Between two looks for changed bundles; 0: only on SIGHUP and when asked to."
    )

    tls_certificate: Path | None = Field(None, description="PEM file of the server's certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")

    pinned_models: Path | None = Field(
        None, description="File with the digests of the bundles that may be served, one a line."
    )

    # who may come in
    api_keys: Path | None = Field(None, description="File of API keys (skiprnn keys add); asks for one.")
    jwt_keys: Path | None = Field(None, description="JWKS file; asks for a JSON Web Token or an API key.")
    jwt_issuer: str | None = Field(None, description="What iss of a token must be.")
    jwt_audience: str | None = Field(None, description="What aud of a token must be.")
    ticket_secret: Path | None = Field(
        None,
        description="File of 32 bytes or more that replicas share, so that each takes the others' tickets.",
    )
    allowed_origins: str = Field(
        "", description="Origins of foreign pages that may connect, with commas between; * is any."
    )
    allow_unauthenticated: bool = Field(
        False, description="Listen on other addresses than loopback though nobody has to say who they are."
    )
    max_streams_per_principal: int = Field(
        1000, ge=1, description="Live streams of one principal; more are refused with 429."
    )
    max_opens_per_minute: int = Field(
        6000, ge=1, description="Streams that one principal may open; more are refused with 429."
    )
    max_connections: int = Field(20_000, ge=1, description="Connections of all kinds; more get 503.")
    request_timeout_seconds: float = Field(
        10, gt=0, description="For the head of a request, and between two pieces of its body."
    )

    # the engine
    max_streams: int = Field(10_000, ge=1, description="Live streams of a model; more are refused with 503.")
    max_batch: int = Field(256, ge=1, le=4096, description="Rows of one update step.")
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu",
        description="Where update steps run. cuda needs skiprnn[gpu] and a GPU; auto falls back to the CPU.",
    )
    threads: int = Field(1, ge=1, description="Threads of one update step; two pay from H = 256 on.")
    inline_below_us: float | None = Field(
        None,
        ge=0,
        description="Update steps predicted to be quicker run on the event loop, others on a thread. "
        "None: 200, or all on the loop where there is one core.",
    )
    websocket: Literal["direct", "asgi"] = Field(
        "direct", description="Frames by our protocol class for uvicorn, or by uvicorn's own (slower)."
    )

    # one connection
    max_message_bytes: int = Field(1_048_576, ge=1024, description="Longest websocket message.")
    max_samples: int = Field(4096, ge=1, description="Samples in a message.")
    max_pending_messages: int = Field(
        64, ge=1, description="Messages of a connection that wait for an answer; then it is read no further."
    )
    max_queued_bytes: int = Field(
        4_194_304, ge=1024, description="Bytes of messages that wait likewise; then it is read no further."
    )
    max_unread_bytes: int = Field(
        1_048_576, ge=1024, description="Replies that a client has not taken; then it is read no further."
    )
    slow_client_seconds: float = Field(
        30, gt=0, description="How long a client may take to read its replies before it is closed."
    )
    idle_timeout_seconds: float = Field(
        300, gt=0, description="A stream that sends nothing for so long is parked and its connection closed."
    )
    ping_interval_seconds: float = Field(30, gt=0, description="Between pings that find vanished clients.")
    ping_timeout_seconds: float = Field(60, gt=0, description="How long a pong may take.")

    # whole sequences
    max_json_bytes: int = Field(
        4_194_304,
        ge=1024,
        description="JSON of a request: it is parsed at one go, and streams wait meanwhile.",
    )
    max_request_bytes: int = Field(
        67_108_864, ge=1024, description="A request's body, a sequence or an answer that is held in memory."
    )
    max_score_bytes: int = Field(
        1_073_741_824,
        ge=1024,
        description="Sequences to score: what comes piece by piece, and waits on the disk.",
    )
    max_scoring: int = Field(
        1, ge=1, description="Requests that are scored at once; each takes a core when streams leave one."
    )
    scoring_priority: Literal["idle", "low", "normal"] = Field(
        "idle",
        description="Large requests get what nothing else wants of the processor, a small share, or their share.",
    )
    max_scoring_waiting: int = Field(
        16, ge=0, description="Requests that wait to be scored; more are refused with 503."
    )

    # what survives
    store: str = Field(
        "memory", description="Where streams survive: memory, sqlite:///PATH or redis://HOST:PORT/DB."
    )
    snapshot_interval_seconds: float = Field(
        1, gt=0, description="Between two rounds of writing changed streams to a durable store."
    )
    stream_ttl_seconds: float = Field(
        600, gt=0, description="How long a parked stream waits for its client to come back."
    )
    max_parked_streams: int = Field(
        100_000, ge=1, description="Streams kept in memory or SQLite; then oldest go."
    )
    drain_seconds: float = Field(
        2, ge=0, description="Between the notice (go_away) and the close of connections at shutdown."
    )

    # what is said
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Of the log.")
    log_format: Literal["text", "json"] = Field("text", description="Lines for people, or JSON for machines.")
    otlp_endpoint: str | None = Field(
        None, description="Where traces go, such as http://127.0.0.1:4318 (OpenTelemetry over HTTP)."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then file, then secrets."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls), file_secret_settings


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings of a server.

    Args:
        config: a TOML file of settings.
        flags: what was said on the command line; None: nothing was.

    Raises:
        pydantic.ValidationError: see `Settings`.
        FileNotFoundError: there is no such file.
        tomllib.TOMLDecodeError: it is not TOML.
    """
    said = {name: value for name, value in flags.items() if value is not None}
    if config is None:
        return Settings(**said)
    if not config.is_file():
        raise FileNotFoundError(f"--config: expected a TOML file, found none at {config}")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    return FromFile(**said)
