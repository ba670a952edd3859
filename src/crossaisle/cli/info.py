"""``crossaisle info``: what a model folder holds. Imports: options, show."""

from __future__ import annotations

from crossaisle.cli import options
from crossaisle.cli.show import print_facts, print_json

__all__ = ["info"]


def info(model: options.Model, as_json: options.Json = False) -> None:
    """Show what a model folder holds.

    Its data, settings, scores, size, seed and versions.
    """
    from crossaisle import Recommender

    facts = Recommender.load(model).info()
    print_json(facts) if as_json else print_facts(facts)
