"""``crossaisle recommend``: a model and people in, a ranked list each out. Imports: options, output, progress, show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable, write_frame
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

if TYPE_CHECKING:
    import polars as pl

    from crossaisle import Recommender

__all__ = ["recommend"]

_SHOWN = 20
"""People whose lists are printed; a file or JSON holds all of them."""


def recommend(
    model: options.Model,
    user: Annotated[list[str] | None, typer.Option("--user", metavar="ID", help="For this user of the model; may be repeated.")] = None,
    all_users: Annotated[bool, typer.Option("--all-users", help="For every user of the model.")] = False,
    histories: Annotated[
        str | None, typer.Option("--histories", metavar="FILE", help="For these histories: query_id, item_id, ...")
    ] = None,
    wish: Annotated[
        str | None, typer.Option("--wish", metavar="TEXT", help="For what is wished for, in a few words; alone or with people.")
    ] = None,
    wish_weight: Annotated[
        float | None, typer.Option("--wish-weight", metavar="W", help="How much the wish counts beside a history; 0 not at all.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Length of each list.")] = 10,
    categories: Annotated[list[str] | None, typer.Option("--categories", metavar="A,B", help="Only from these categories.")] = None,
    beyond_history: Annotated[bool, typer.Option("--beyond-history", help="Only from categories that the history does not touch.")] = False,
    candidates: Annotated[str | None, typer.Option("--candidates", metavar="FILE", help="Rank only these: query_id, item_id.")] = None,
    where: Annotated[str | None, typer.Option("--where", help='Filter on the items table, such as "price < 50 AND available".')] = None,
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="Do not leave out items already in the history.")] = False,
    max_per_category: Annotated[
        int | None, typer.Option("--max-per-category", metavar="N", help="At most N items of one category.")
    ] = None,
    diversity: Annotated[float, typer.Option("--diversity", metavar="0..1", help="Trade score for unlikeness within the list.")] = 0.0,
    explain: Annotated[bool, typer.Option("--explain", help="Say which history item and which scorer carried each item, and why.")] = False,
    rerank: Annotated[bool, typer.Option("--rerank", help="Take the model's second look at the head of each list.")] = False,
    writer: Annotated[
        str | None,
        typer.Option("--writer", metavar="MODEL", help="With --explain: smollm2, a folder or http(s)://.../v1 words the reasons, checked."),
    ] = None,
    lang: options.Lang = "en",
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    out: options.TableOut = None,
    as_json: options.Json = False,
) -> None:
    """List what people may like.

    For known users, for all users, for histories that you give, or for a wish.
    """
    people = sum([bool(user), all_users, histories is not None])
    if people > 1 or (people == 0 and wish is None):
        expected = "exactly one of --user, --all-users, --histories, or a --wish"
        raise RequestError("whom to recommend to is not clear", expected, "give one of them")
    if writer is not None and not explain:
        raise RequestError("--writer without --explain", "reasons that it may word", "add --explain")
    if k < 1:
        raise RequestError(f"-k is {k}", "a whole number of at least 1", "write -k 10")
    if out is not None:
        check_writable(out)
    from crossaisle import Recommender
    from crossaisle.data.readers.tables import read_table

    names = options.parse_columns(columns)
    loaded = Recommender.load(model)
    request: dict[str, Any] = {
        "k": k,
        "categories": options.split_names(categories, known=loaded.categories),
        "beyond_history": beyond_history,
        "candidates": None if candidates is None else read_table(candidates, columns=names, encoding=encoding),
        "where": where,
        "keep_seen": keep_seen,
        "max_per_category": max_per_category,
        "diversity": diversity,
        "explain": explain,
        "lang": lang,
        "wish": wish,
        "wish_weight": wish_weight,
        "rerank": rerank,
        "writer": writer,
        **({} if max_rejected is None else {"max_rejected": max_rejected}),
    }
    given = None if histories is None else read_table(histories, columns=names, encoding=encoding)
    with progress_bar(quiet=as_json) as progress:
        if given is not None:
            lists = loaded.recommend_histories(given, progress=progress, **request)
        else:
            lists = loaded.recommend("all" if all_users else list(dict.fromkeys(user or ())) or None, progress=progress, **request)
    if out is not None:
        path = write_frame(lists, out)
        if as_json:
            print_json({"out": str(path), "rows": lists.height, "notes": loaded.notes})
        else:
            print(f"{lists.height:,} rows written to {path}")
            print_notes(loaded.notes)
    elif as_json:
        print_json({"recommendations": lists.to_dicts(), "notes": loaded.notes})
    else:
        _print_lists(lists, loaded)
        print_notes(loaded.notes)


def _print_lists(lists: pl.DataFrame, model: Recommender) -> None:
    """One table a person, with titles where the items have any."""
    whom = lists.columns[0]
    titled = lists.join(model.items.select("item_id", "title"), on="item_id", how="left", maintain_order="left")
    order = [
        "rank",
        "item_id",
        "title",
        "category",
        "score",
        *(c for c in ("because", "path", "carried_by", "senses", "reason") if c in lists.columns),
    ]
    people = titled.partition_by(whom, maintain_order=True)
    for one in people[:_SHOWN]:
        rows = one.select(order)
        print_table((rows.drop("title") if not rows["title"].str.len_chars().sum() else rows).to_dicts(), title=f"{whom} {one[whom][0]}")
    if len(people) > _SHOWN:
        print(f"... and {len(people) - _SHOWN:,} more; --out FILE writes them all")
