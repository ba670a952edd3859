"""``crossaisle similar``: items like an item. Imports: options, show."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crossaisle.cli import options
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

__all__ = ["similar"]


def similar(
    model: options.Model,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An item id of the model.")],
    k: Annotated[int, typer.Option("-k", help="How many.")] = 10,
    other_categories: Annotated[bool, typer.Option("--other-categories", help="Only from other categories than the item's own.")] = False,
    relation: Annotated[
        Literal["similar", "complement"] | None,
        typer.Option("--relation", help="similar: of the same kind; complement: of another kind, bought together beyond chance."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the items most like one item."""
    if k < 1:
        raise RequestError(f"-k is {k}", "a whole number of at least 1", "write -k 10")
    from crossaisle import Recommender

    loaded = Recommender.load(model)
    found = loaded.similar_items(item, k=k, other_categories=other_categories, relation=relation)
    if as_json:
        print_json({"item_id": item, "items": found.to_dicts(), "notes": loaded.notes})
    else:
        if found.height:
            print_table(found.to_dicts(), title=f"{relation} to {item}" if relation else f"like {item}")
        else:
            print(f"nothing found for {item}")
        print_notes(loaded.notes)
