"""``crossaisle ask``: what to put before which people, and their answers as interactions. Imports: options, output, progress, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable, write_frame
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError, TableError

__all__ = ["ask"]

_SHOWN = 20
"""People whose questions are printed; a file or JSON holds all of them."""


def ask(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Model folder; not needed with --answers.")] = None,
    users: Annotated[
        str | None,
        typer.Option("--users", metavar="FILE", help="Ask only these: a table with user_id; all users if not given."),
    ] = None,
    per_user: Annotated[int | None, typer.Option("--per-user", metavar="N", help="Questions a person; the setting ask.per_user.")] = None,
    strategy: Annotated[
        Literal["mixed", "uncertain", "coldest", "diverse", "popular", "random"] | None,
        typer.Option("--strategy", help="How questions are chosen; the setting ask.strategy."),
    ] = None,
    answers: Annotated[
        str | None, typer.Option("--answers", metavar="FILE", help="Turn answers into interactions: the questions with a column answer.")
    ] = None,
    dislikes: Annotated[
        str | None, typer.Option("--dislikes", metavar="FILE", help="Where what was not liked goes; beside --out if not given.")
    ] = None,
    like_from: Annotated[float | None, typer.Option("--like-from", metavar="R", help="Least rating that is a yes; 4 if not given.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of what is left to chance; the model's own if not given.")] = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    out: options.TableOut = None,
    as_json: options.Json = False,
) -> None:
    """Choose what to ask people next, or read their answers.

    Answers are yes, no or a rating, in a column answer beside user_id and item_id.
    """
    from crossaisle.data.readers.tables import read_table

    names = options.parse_columns(columns)
    if answers is not None:
        if out is None:
            raise RequestError("--answers without --out", "a file for the interactions", "add --out answers.parquet")
        if users is not None or per_user is not None or strategy is not None or seed is not None:
            raise RequestError("--answers beside options that choose questions", "one of the two", "leave out either of them")
        _read(answers, out, dislikes, like_from, max_rejected, names, encoding, as_json)
        return
    if model is None:
        raise RequestError("neither a model nor --answers", "a model that asks, or answers to read", "crossaisle ask MODEL --out FILE")
    if dislikes is not None or like_from is not None:
        raise RequestError("--dislikes or --like-from without --answers", "answers to read", "add --answers FILE")
    if out is not None:
        check_writable(out)
    from crossaisle import Recommender

    loaded = Recommender.load(model)
    whom = None
    if users is not None:
        table = read_table(users, columns=names, encoding=encoding)
        if "user_id" not in table.columns:
            shown = ", ".join(table.columns[:12])
            raise TableError(f"{users} has no column 'user_id' (it has: {shown})", "a column 'user_id'", "pass --columns user_id=ITS_NAME")
        from crossaisle.data.rows import id_text

        whom = table.select(id_text(table, "user_id", users))["user_id"].drop_nulls().unique(maintain_order=True).to_list()
        if not whom:
            raise TableError(f"{users} names no user", "at least one user_id", "fill in the column")
    with progress_bar(quiet=as_json) as progress:
        asked = loaded.ask(whom, per_user=per_user, strategy=strategy, seed=seed, progress=progress)
    if out is not None:
        path = write_frame(asked, out)
        if as_json:
            print_json({"out": str(path), "rows": asked.height, "notes": loaded.notes})
        else:
            print(f"{asked.height:,} questions written to {path}; add a column answer, then: crossaisle ask --answers {path} --out FILE")
    elif as_json:
        print_json({"questions": asked.to_dicts(), "notes": loaded.notes})
    else:
        people = asked.partition_by("user_id", maintain_order=True)
        for one in people[:_SHOWN]:
            print_table(one.drop("user_id", "strategy").to_dicts(), title=f"user_id {one['user_id'][0]}")
        if len(people) > _SHOWN:
            print(f"... and {len(people) - _SHOWN:,} more; --out FILE writes them all")
    if not as_json:
        print_notes(loaded.notes)


def _read(
    answers: str,
    out: str,
    dislikes: str | None,
    like_from: float | None,
    max_rejected: float | None,
    names: dict[str, str] | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    from crossaisle.data.adhoc import MAX_REJECTED
    from crossaisle.data.readers.tables import read_table
    from crossaisle.learn.answers import LIKE_FROM, read_answers

    check_writable(out)
    apart = dislikes or _beside(out)
    check_writable(apart)
    if Path(apart).absolute() == Path(out).absolute():
        raise RequestError("--dislikes and --out are the same file", "two files", "give another name")
    table = read_table(answers, columns=names, encoding=encoding)
    share = MAX_REJECTED if max_rejected is None else max_rejected
    liked, disliked, notes = read_answers(table, answers, like_from=LIKE_FROM if like_from is None else like_from, max_rejected=share)
    write_frame(liked, out)
    write_frame(disliked, apart)
    if as_json:
        print_json({"out": out, "likes": liked.height, "dislikes_out": apart, "dislikes": disliked.height, "notes": notes})
    else:
        print(f"{liked.height:,} interactions written to {out}, {disliked.height:,} dislikes to {apart}")
        print_notes(notes)


def _beside(out: str) -> str:
    """``answers.csv.gz`` -> ``answers.dislikes.csv.gz``.

    Examples
    --------
    >>> _beside("x/answers.csv.gz"), _beside("answers.parquet")
    ('x/answers.dislikes.csv.gz', 'answers.dislikes.parquet')
    """
    path = Path(out)
    if path.name.lower().endswith(".gz"):
        inner = path.with_suffix("")
        return str(path.with_name(f"{inner.stem}.dislikes{inner.suffix}{path.suffix}"))
    return str(path.with_name(f"{path.stem}.dislikes{path.suffix}"))
