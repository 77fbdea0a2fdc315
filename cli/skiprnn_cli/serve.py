"""`skiprnn serve`: the server, with a flag for every setting."""

import inspect
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from skiprnn_cli.console import fail, log_lines, reader_may_leave, warn
from skiprnn_service import settings


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")


RENAMED = {_flag(old): _flag(new) for old, new in settings.RENAMED.items()}
RENAMED_VALUES = {(_flag(old), value): new for (old, value), new in settings.RENAMED_VALUES.items()}

_DOC = """Serve the bundles of a folder: websocket streams, whole-sequence scoring, metrics, a dashboard.

Every setting can also stand in the environment (SKIPRNN_PORT=8000) or in a TOML file (--config).

Example: skiprnn serve --models-dir ./models --port 8000
"""
_CONFIG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None, typer.Option("--config", help="TOML file of settings.", show_default=False)
    ],
)


def _with_a_flag_for_every_setting() -> Callable[..., None]:
    """The command, with the options that `Settings` has: typer reads them off the signature."""

    def serve(config: Path | None = None, **flags: Any) -> None:
        _serve(config, **flags)

    options = [_CONFIG, *_options()]
    serve.__doc__ = _DOC
    serve.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    serve.__annotations__ = {option.name: option.annotation for option in options}
    return serve


def _options() -> list[inspect.Parameter]:
    return [_option(name, field) for name, field in settings.Settings.model_fields.items()]


def _option(name: str, field: Any) -> inspect.Parameter:
    """Choices and ranges are left to pydantic: then flags, environment and file have the same errors."""
    kind = next((kind for kind in (int, float, bool) if field.annotation in (kind, kind | None)), str)
    metavar = "PATH" if field.annotation in (Path, Path | None) else None  # typer's own would take "" for "."
    text = f"{field.description} (Default: {field.default})"
    option = typer.Option(_flag(name), help=text, show_default=False, metavar=metavar)
    annotation: Any = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _serve(config: Path | None, **flags: Any) -> None:
    from skiprnn_service.server import uvicorn_server as server

    with errors_in_one_line():
        found = settings.load(config, **flags)
        server.serve(found, on_started=partial(_print_address, found))


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Warnings of the settings are printed; what cannot be used ends the command with the reason."""
    from pydantic import ValidationError

    from skiprnn_service.errors import ModelError, StoreError

    try:
        with log_lines(settings.__name__, warn, level=logging.WARNING):
            yield
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, wrong['loc']))}: {_reason(wrong)}" for wrong in error.errors()))
    except (OSError, ValueError, ModelError) as error:
        fail(error)
    except StoreError as error:  # which may be back in a minute
        fail(error, code=1)


def _reason(wrong: Any) -> str:
    message: str = wrong["msg"]
    return message.removeprefix("Value error, ")


def http_address(found: settings.Settings, port: int) -> str:
    """Where this machine reaches the server: http://HOST:PORT, or https."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(found.host, found.host)  # nosec B104 - looked up, not bound
    scheme = "https" if found.ssl_certfile else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _print_address(found: settings.Settings, port: int, models: Sequence[str]) -> None:
    address = http_address(found, port)
    with reader_may_leave():
        typer.echo(f"\n  dashboard  {address}/")
        typer.echo(f"  stream     {_example(address, models) or _no_model(found)}\n")


def _example(address: str, models: Sequence[str]) -> str:
    """A command that streams to a served model; empty: there is none. `watch` has a recording on the dashboard."""
    name = "watch" if "watch" in models else next(iter(models), "")
    stream = f"{_program()} stream {address.replace('http', 'ws', 1)}/v1/models/{name}/stream"
    if name == "watch":
        return f"curl -s {address}/page/exercise.csv | {stream} --sample-rate 50"
    return f"{stream} --input RECORDING.csv" if name else ""


def _no_model(found: settings.Settings) -> str:
    folder = found.models_dir
    return f"no bundle in {folder}: {_program()} export RUN --out {folder / 'NAME.onnx'}"


def _program() -> str:
    """How to call this program from the current folder."""
    found, called = shutil.which("skiprnn"), Path(sys.argv[0])  # which is no file under `python -c`
    same = found and (not called.exists() or called.samefile(found))
    return "skiprnn" if same else os.path.relpath(called)


serve = _with_a_flag_for_every_setting()
