"""`skiprnn serve`: the server, with a flag for every setting."""

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from skiprnn_cli.console import fail
from skiprnn_service import settings


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")


RENAMED = {_flag(old): _flag(new) for old, new in settings.RENAMED.items()}

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
    kind = next((kind for kind in (int, float, bool, Path) if field.annotation in (kind, kind | None)), str)
    option = typer.Option(
        _flag(name), help=f"{field.description} (Default: {field.default})", show_default=False
    )
    annotation: Any = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _serve(config: Path | None, **flags: Any) -> None:
    from skiprnn_service.server import uvicorn_server as server

    with errors_in_one_line():
        found = settings.load(config, **_with_current_values(flags))
        server.serve(found, on_started=lambda port: _print_address(found.host, port))


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Settings, models and stores that cannot be used end the command with the reason."""
    from pydantic import ValidationError

    from skiprnn_service.errors import ModelError, StoreError

    try:
        yield
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()))
    except (OSError, ValueError, ModelError) as error:
        fail(error)
    except StoreError as error:  # which may be back in a minute
        fail(error, code=1)


def _with_current_values(flags: dict[str, Any]) -> dict[str, Any]:
    """The same flags; values of the old release, such as --websocket direct, replaced by those of this one."""
    renamed = {(settings.RENAMED[old], value): new for (old, value), new in settings.RENAMED_VALUES.items()}
    return {name: renamed.get((name, value), value) for name, value in flags.items()}


def _print_address(host: str, port: int) -> None:
    address = f"{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # nosec B104 - compared, not bound
    stream = f"{_program()} stream ws://{address}/v1/models/watch/stream --sample-rate 50"
    typer.echo(f"\n  page    http://{address}/")
    typer.echo(f"  stream  curl -s http://{address}/page/exercise.csv | {stream}\n")


def _program() -> str:
    """How to call this program from the current folder."""
    found, called = shutil.which("skiprnn"), Path(sys.argv[0])  # which is no file under `python -c`
    same = found and (not called.exists() or called.samefile(found))
    return "skiprnn" if same else os.path.relpath(called)


serve = _with_a_flag_for_every_setting()
