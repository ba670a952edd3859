"""The ``crossaisle`` program: the commands put together, every failure one line and an exit code. Imports: one file a command.

Exit codes: 0 success, 2 bad input (one line on stderr: what was found, what was expected, what to do next), 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from crossaisle import __version__
from crossaisle.cli import (
    ask,
    attack,
    catalog,
    check,
    demo,
    evaluate,
    fit,
    graph,
    import_,
    info,
    pretrain,
    recommend,
    refit,
    replay,
    serve,
    settings,
    similar,
    tune,
)
from crossaisle.errors import CrossAisleError

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="crossaisle",
    help="Recommend across categories: fit a model on your tables, measure it, and list what each person may like.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("fit")(fit.fit)
app.command("pretrain")(pretrain.pretrain)
app.command("recommend")(recommend.recommend)
app.command("evaluate")(evaluate.evaluate)
app.command("attack")(attack.attack)
app.command("tune")(tune.tune)
app.command("ask")(ask.ask)
app.command("similar")(similar.similar)
app.command("graph")(graph.graph)
app.add_typer(catalog.app, name="catalog")
app.command("serve")(serve.serve)
app.add_typer(serve.keys, name="keys")
app.command("import")(import_.import_)
app.command("settings")(settings.settings)
app.command("refit")(refit.refit)
app.command("replay")(replay.replay)
app.command("info")(info.info)

_STOPPED = 130
_USERS_OSERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit()
    if context.invoked_subcommand is None:
        print(context.get_help())


def _fail(line: str, code: int) -> int:
    print("error: " + " ".join(line.split()), file=sys.stderr)
    return code


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str
        The words after ``crossaisle``.

    Returns
    -------
    int
        0, 2 or 130, as described above; the code of a SystemExit that something inside raised.
    """
    try:
        result = app(args=list(argv), prog_name="crossaisle", standalone_mode=False)
        if result == _STOPPED:  # what typer makes of Ctrl-C inside a command
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped by Ctrl-C; what was complete before is kept", _STOPPED)
    except CrossAisleError as error:
        return _fail(str(error), 2)
    except (BrokenPipeError, SystemExit) as error:
        # the reader of a pipe, such as head, has seen enough; typer makes a SystemExit of that, but not every SystemExit is one
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            if error.code is None or isinstance(error.code, int):
                return error.code or 0
            return _fail(str(error.code), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _USERS_OSERRORS:
            raise
        found = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        return _fail(f"{found}; expected a place that can be read and written; next: check the path and the free space", 2)
    except Exception as error:
        # typer's own complaints (unknown command, missing option, value out of range) have kept this method through all its versions
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "crossaisle"
        return _fail(f"{message().removesuffix('.').replace('Value error, ', '')}; next: {command} --help", 2)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the ``crossaisle`` program."""
    sys.exit(run(sys.argv[1:]))
