"""Searching settings of the network by validation alone, measured at the end on a test. Imports: run, space, verdict, work."""

from crossaisle.search.run import search
from crossaisle.search.space import parse_space
from crossaisle.search.verdict import compare, described, write_search
from crossaisle.search.work import Material, chosen_settings

__all__ = ["Material", "chosen_settings", "compare", "described", "parse_space", "search", "write_search"]
