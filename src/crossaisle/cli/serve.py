"""``crossaisle serve`` and ``crossaisle keys``: the model over HTTP, and who may use it. Imports: options, show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.show import print_json, print_table
from crossaisle.errors import MissingExtra, RequestError

__all__ = ["keys", "serve"]

keys = typer.Typer(help="Make, list and remove the keys of a service.", rich_markup_mode=None)
_File = Annotated[Path, typer.Argument(metavar="FILE", help="File of keys; it holds hashes, never a key.")]


def serve(
    model: options.Model,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="URL", help="sqlite:///FILE or postgresql+psycopg://...; if not given, events.db beside the model."
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; other than loopback only with --keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0: any free one.", min=0, max=65_535)] = 8000,
    keys: Annotated[Path | None, typer.Option("--keys", metavar="FILE", help="Keys, made by: crossaisle keys add.")] = None,
    media: Annotated[Path | None, typer.Option("--media", metavar="DIR", help="Folder of photos, served below /media.")] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that answer.", min=1, max=64)] = 1,
    set_: options.Set = None,
) -> None:
    """Serve a model over HTTP: recommendations, events, items, people, a page at / and the API at /docs."""
    try:
        from crossaisle.serve.main import Plan, start
    except ImportError:
        raise MissingExtra("the service's parts", "pip install 'crossaisle[serve]'") from None
    named = {"keys": None if keys is None else str(keys), "media": None if media is None else str(media)}
    plan = Plan(str(model), store or options.store_of(model), host, port, **named, workers=workers)
    code = start(plan, options.parse_settings(set_))
    if code:
        raise SystemExit(code)


@keys.callback()
def _root() -> None:
    """Make, list and remove the keys of a service."""


@keys.command("add")
def add(
    file: _File,
    name: Annotated[str, typer.Option("--name", help="Who will use it.")],
    scopes: Annotated[str, typer.Option("--scopes", metavar="A,B", help="Some of read, write, admin.")] = "read",
    as_json: options.Json = False,
) -> None:
    """Make a key. It is shown once and kept nowhere."""
    from crossaisle.serve.keys import add_key

    secret = add_key(file, name, tuple(scope.strip() for scope in scopes.split(",") if scope.strip()))
    if as_json:
        print_json({"name": name, "key": secret})
    else:
        print(secret)
        print(f"the key of {name}, shown this once: keep it; {file} holds only its hash", file=sys.stderr)


@keys.command("list")
def list_(file: _File, as_json: options.Json = False) -> None:
    """List names and scopes."""
    import datetime

    from crossaisle.serve.keys import read_keys

    rows = [
        {
            "name": key.name,
            "scopes": ",".join(key.scopes),
            "created": datetime.datetime.fromtimestamp(key.created, datetime.UTC).isoformat(timespec="seconds"),
        }
        for key in read_keys(file)
    ]
    if as_json:
        print_json({"keys": rows})
    elif rows:
        print_table(rows, title=str(file))
    else:
        print("no keys")


@keys.command("remove")
def remove(file: _File, name: Annotated[str, typer.Argument(help="Whose key.")]) -> None:
    """Remove a key; a running service refuses it within a second."""
    from crossaisle.serve.keys import remove_key

    if not name:
        raise RequestError("an empty name", "the name of a key", "see: crossaisle keys list")
    remove_key(file, name)
    print(f"removed {name}")
