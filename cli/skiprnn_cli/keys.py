"""`skiprnn keys`: the API keys of a server."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from skiprnn_cli.console import fail

keys = typer.Typer(
    name="keys",
    add_completion=False,
    help="Add, list and revoke the API keys of a server. Its file holds only their hashes.\n\n"
    "Example: skiprnn keys add alice --file keys.json && skiprnn serve --api-keys-file keys.json",
    no_args_is_help=True,
)

_FILE = Annotated[
    Path, typer.Option("--file", help="The file of keys; the server takes it as --api-keys-file.")
]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_FILE = Path("keys.json")


@keys.command()
def add(
    name: Annotated[
        str, typer.Argument(help="Owner of the key, and of the streams that are opened with it.")
    ],
    scopes: Annotated[
        str, typer.Option("--scopes", help="What the key allows: stream, score, admin.")
    ] = "stream,score",
    file: _FILE = DEFAULT_FILE,
    json: _JSON = False,
) -> None:
    """Add a key and print it. It is shown only once: the file has its hash.

    Example: skiprnn keys add alice --scopes stream,score
    """
    from skiprnn_service.auth import api_keys

    try:
        added = api_keys.add(file, name, tuple(scope.strip() for scope in scopes.split(",")))
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        typer.echo(jsonlib.dumps({"id": added.entry.id, "name": name, "key": added.text}))
    else:
        typer.echo(f"added {added.entry.id} for {name} ({', '.join(added.entry.scopes)}) to {file}", err=True)
        typer.echo(added.text)


@keys.command("list")
def list_keys(file: _FILE = DEFAULT_FILE, json: _JSON = False) -> None:
    """List ids, owners, scopes and dates of the keys, not the keys themselves.

    Example: skiprnn keys list --file keys.json
    """
    import msgspec

    from skiprnn_service.auth import api_keys

    try:
        keys = api_keys.read(file)
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        typer.echo(
            msgspec.json.encode([(key.id, key.name, key.scopes, key.created) for key in keys]).decode()
        )
        return
    table = Table("id", "name", "scopes", "created")
    for key in keys:
        table.add_row(key.id, key.name, ", ".join(key.scopes), key.created)
    Console().print(table)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `skiprnn keys list` prints it.")],
    file: _FILE = DEFAULT_FILE,
) -> None:
    """Revoke a key. Running servers notice within a second; open streams continue.

    Example: skiprnn keys revoke 1f2e3d4c
    """
    from skiprnn_service.auth import api_keys

    try:
        revoked = api_keys.revoke(file, key_id)
    except (OSError, ValueError) as error:
        fail(error)
    typer.echo(f"revoked {revoked.id} of {revoked.name}")
