"""The tables that a command is given, as a dataset. Imports: output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossaisle.cli.output import kept_rejects

if TYPE_CHECKING:
    from crossaisle import Dataset
    from crossaisle.data.build import DataSettings

__all__ = ["tables_read"]

Tables = tuple[str, str | None, str | None]
"""Interactions, items, reviews."""


@contextmanager
def tables_read(
    rejected: str | Path,
    tables: Tables,
    settings: DataSettings,
    columns: Mapping[str, str] | None,
    encoding: str | None,
    media: str | None = None,
) -> Iterator[Dataset]:
    """The dataset of the tables; rejected rows reach ``rejected`` only if the block succeeds.

    Errors are those of `Dataset.from_files` and of `kept_rejects`.
    """
    from crossaisle import Dataset

    interactions, items, reviews = tables
    with kept_rejects(rejected) as kept:
        yield Dataset.from_files(
            interactions=interactions,
            items=items,
            reviews=reviews,
            settings=settings,
            columns=columns,
            encoding=encoding,
            media=media,
            rejected_to=kept,
        )
