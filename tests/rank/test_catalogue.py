import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_fakes import shop

from crossaisle.errors import RequestError
from crossaisle.rank.catalogue import Catalogue, nearest
from crossaisle.testing import toy_dataset


def test_of_a_dataset():
    data = toy_dataset()
    catalogue = Catalogue.of(data)
    assert catalogue.aisles == data.categories
    assert (catalogue.item_aisles == data.item_categories).all()
    assert (catalogue.counts == data.item_counts).all()
    assert catalogue.available.tolist() == data.items["available"].to_list()
    assert catalogue.code("item0007") == 7


def test_unknown_aisle_is_no_aisle():
    catalogue = shop(["Toys", "", "Pets"])
    assert catalogue.aisles == ("Pets", "Toys")
    assert catalogue.item_aisles.tolist() == [1, 2, 0]


def test_available_only_false_where_the_table_says_so():
    assert shop("AAA", available=[True, None, False]).available.tolist() == [True, True, False]
    assert Catalogue(pl.DataFrame({"item_id": ["a"], "category": ["A"]}), np.ones(1, dtype=np.int64)).available.tolist() == [True]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "A", "B", "C"]), st.integers(0, 5)), min_size=1, max_size=20))
def test_popularity_gives_aisles_places_in_proportion(rows):
    catalogue = shop([a for a, _ in rows], counts=[c for _, c in rows])
    order = np.argsort(-catalogue.popularity, kind="stable")
    for aisle in set(catalogue.item_aisles.tolist()):
        inside = [i for i in order if catalogue.item_aisles[i] == aisle]
        if sum(rows[i][1] for i in inside):
            assert inside == sorted(inside, key=lambda i: (-rows[i][1], i))
    assert np.isfinite(catalogue.popularity).all()


def test_popularity_by_hand():
    # A has 10 of 16 events, B 6: seats go A, B, A, A, B (10, 6, 5, 3.33, 3)
    catalogue = shop("AAABB", counts=[1, 6, 3, 2, 4])
    assert "".join("abcde"[i] for i in np.argsort(-catalogue.popularity)) == "becad"
    assert catalogue.aisle_places.tolist() == [3, 1, 2, 2, 1]


def test_unknown_category_suggests_the_nearest():
    with pytest.raises(RequestError, match=r"unknown category 'toy'; expected one of the 2 categories; next: the nearest is 'Toys'"):
        shop(["Toys", "Pets"]).aisle("toy")
    with pytest.raises(RequestError, match=r"unknown category ''"):
        shop(["Toys", ""]).aisle("")


def test_unknown_item_suggests_the_nearest():
    catalogue = Catalogue.of(toy_dataset())
    with pytest.raises(RequestError, match=r"unknown item 'itm0007'; expected the id of one of the model's 80 items; .*'item0007'"):
        catalogue.code("itm0007")
    with pytest.raises(RequestError, match=r"unknown item '🐱+\.\.\.'.*crossaisle catalog add"):
        catalogue.code("🐱" * 10_000)


def test_nearest_of_nothing():
    assert nearest("x", []) == "there is none"


@pytest.mark.parametrize("category", ["Toys", "", "Sheds"])
def test_a_catalogue_that_grew_is_as_one_made_anew(category):
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "category": ["Toys", "Toys", "Pets", ""]})
    counts = np.array([2, 4, 2, 1])
    joined = pl.DataFrame({"item_id": ["e", "f", "g"], "category": [category, "Toys", category]})
    grown = Catalogue(items, counts).grown(joined)
    anew = Catalogue(pl.concat([items, joined]), np.append(counts, [0, 0, 0]))
    assert grown.items.equals(anew.items)
    assert grown.codes == anew.codes
    assert grown.aisles == anew.aisles
    for name in ("counts", "item_aisles", "aisle_places", "popularity", "available"):
        assert np.array_equal(getattr(grown, name), getattr(anew, name)), name


def test_a_catalogue_that_grew_often_is_put_together():
    grown = Catalogue(pl.DataFrame({"item_id": ["a"], "category": ["Toys"]}), np.array([1]))
    for k in range(200):
        grown = grown.grown(pl.DataFrame({"item_id": [f"n{k}"], "category": ["Toys"]}))
    assert grown.items.n_chunks() <= 65
    assert grown.code("n199") == 200
