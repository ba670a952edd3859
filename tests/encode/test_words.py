"""Words, pairs, brands and category nodes as bags."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossaisle.encode.words import Vocabulary, WordSettings, words_and_pairs
from crossaisle.errors import SettingError

TEXT = st.text(alphabet=st.sampled_from("ab cd-'’ é9.连衣裙ไทย\u0301"), max_size=20)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3), TEXT), min_size=1, max_size=8)


def table(rows: list[tuple[str, str, list[str], str]]) -> pl.DataFrame:
    titles, brands, paths, colours = zip(*rows, strict=True)
    schema = {"title": pl.String, "brand": pl.String, "categories": pl.List(pl.String), "colour": pl.String}
    return pl.DataFrame({"title": titles, "brand": brands, "categories": paths, "colour": colours}, schema=schema)


@pytest.mark.parametrize(
    ("text", "words", "pairs"),
    [
        ("", [], []),
        ("  -- ", [], []),
        ("ＲＥＤ Pan", ["red", "pan"], ["red pan"]),
        ("don’t stop", ["don't", "stop"], ["don't stop"]),
        ("a_b", ["a", "b"], ["a b"]),
        ("裙", ["裙"], []),
        ("连衣裙", ["连衣", "衣裙"], ["连衣裙"]),
        ("500ml装", ["500ml", "装"], []),
        ("red 裙子 pan pot", ["red", "裙子", "pan", "pot"], ["pan pot"]),
        ("naïve café", ["naïve", "café"], ["naïve café"]),
        ("हिन्दी शब्द", ["हिन्दी", "शब्द"], ["हिन्दी शब्द"]),
        ("한국어 책", ["한국어", "책"], ["한국어 책"]),
    ],
)
def test_words_and_pairs(text: str, words: list[str], pairs: list[str]) -> None:
    assert words_and_pairs(text) == (words, pairs)


def test_weights_by_hand() -> None:
    items = pl.DataFrame(
        {
            "title": ["red pan", "red pan", "green cup"],
            "brand": ["Aro", "ARO ", ""],
            "categories": [["Home", "Kitchen"], ["Home", "Kitchen"], ["Home"]],
        }
    )
    words = Vocabulary.fit(items, WordSettings(pair_min_items=2))
    assert dict(zip(words.keys, words.counts, strict=True)) == {
        "b:aro": 2,
        "c:home": 3,
        "c:home > kitchen": 2,
        "p:red pan": 2,
        "w:pan": 2,
        "w:red": 2,
    }
    twice, always = math.log(1 + 3 / 2), math.log(1 + 3 / 3)
    first = np.array([1.5 * twice, 1.0 * always, 1.5 * twice, 0.5 * twice, twice, twice])
    expected = np.stack([first / np.linalg.norm(first)] * 2 + [np.array([0, 1, 0, 0, 0, 0])])
    np.testing.assert_allclose(words.bags(items).toarray(), expected, atol=1e-6)


def test_brand_word_and_node_of_one_spelling_stay_apart() -> None:
    items = pl.DataFrame({"title": ["apple"] * 2, "brand": ["Apple"] * 2, "categories": [["Apple"]] * 2})
    assert Vocabulary.fit(items).keys == ("b:apple", "c:apple", "w:apple")


def test_only_what_enough_items_share_gets_a_place() -> None:
    items = pl.DataFrame({"title": ["one two", "one two", "one two", "three three"]})
    assert Vocabulary.fit(items, WordSettings(pair_min_items=3)).keys == ("p:one two", "w:one", "w:two")
    assert Vocabulary.fit(items, WordSettings(min_items=4)).keys == ()
    assert Vocabulary.fit(items, WordSettings(min_items=1, max_entries=2)).keys == ("w:one", "w:two")


def test_new_items_keep_what_is_known_and_lose_the_rest() -> None:
    words = Vocabulary.fit(pl.DataFrame({"title": ["red pan", "red pot"]}))
    bags = words.bags(pl.DataFrame({"title": ["a RED kettle", "kettle", None]}))
    assert bags.toarray().tolist() == [[1.0], [0.0], [0.0]]
    assert bags.dtype == np.float32


def test_descriptions_are_read_up_to_a_limit() -> None:
    items = pl.DataFrame({"title": ["x", "x"], "description": ["one two three", "one two four"]})
    assert Vocabulary.fit(items, WordSettings(description_words=1)).keys == ("w:one", "w:x")
    assert Vocabulary.fit(items, WordSettings(description_words=0)).keys == ("w:x",)
    assert Vocabulary.fit(items).keys == ("w:one", "w:two", "w:x")


def test_no_items_at_all() -> None:
    empty = pl.DataFrame(schema={"title": pl.String})
    words = Vocabulary.fit(empty)
    assert (len(words), words.bags(empty).shape) == (0, (0, 0))


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(SettingError, match="min_items is 0; expected a number of at least 1"):
        WordSettings(min_items=0)


@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_bags_are_unit_rows_that_follow_their_item(rows: list[tuple[str, str, list[str], str]], order: object) -> None:
    items = table(rows)
    words = Vocabulary.fit(items, WordSettings(min_items=1, pair_min_items=1))
    bags = words.bags(items)
    assert bags.shape == (len(rows), len(words))
    assert bags.has_sorted_indices
    norms = np.sqrt(np.asarray(bags.multiply(bags).sum(axis=1)).ravel())
    np.testing.assert_allclose(norms, np.diff(bags.indptr) > 0, atol=1e-5)
    shuffled = list(range(len(rows)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = Vocabulary.fit(items[shuffled], words.settings)
    assert again.keys == words.keys
    assert (again.bags(items) != bags).nnz == 0
    assert (words.bags(items[shuffled]) != bags[shuffled]).nnz == 0


@given(rows=ROWS)
def test_json_gives_the_same_vocabulary(rows: list[tuple[str, str, list[str], str]]) -> None:
    items = table(rows)
    words = Vocabulary.fit(items, WordSettings(min_items=1))
    again = Vocabulary.from_dict(json.loads(json.dumps(words.to_dict())))
    assert (again.keys, again.settings) == (words.keys, words.settings)
    assert (again.bags(items) != words.bags(items)).nnz == 0
