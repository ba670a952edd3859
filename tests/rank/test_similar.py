import numpy as np
import pytest
from rank_fakes import shop

from crossaisle.errors import RequestError
from crossaisle.graph.item_lift import Companions
from crossaisle.rank.similar import complements, similar_items

VECTORS = np.array([[1, 0], [2, 0.1], [1, 1], [0, 3], [-1, 0], [0, 0]], dtype=np.float32)
CATALOGUE = shop(["A", "A", "B", "B", "", "C"])


def test_nearest_first_by_cosine():
    table = similar_items(VECTORS, CATALOGUE, 0, k=10)
    assert table["item_id"].to_list() == ["b", "c", "d", "f", "e"]
    assert table["rank"].to_list() == [1, 2, 3, 4, 5]
    assert table["score"].to_list() == pytest.approx([2 / np.hypot(2, 0.1), 0.5**0.5, 0, 0, -1], abs=1e-6)
    assert table.columns == ["item_id", "category", "score", "rank"]


def test_other_categories_leaves_out_the_own_and_the_unknown():
    assert similar_items(VECTORS, CATALOGUE, 0, other_categories=True)["item_id"].to_list() == ["c", "d", "f"]


def test_unavailable_items_are_left_out():
    assert similar_items(VECTORS, shop("AAAAAA", available=[True, False, True, True, True, True]), 0, k=1)["item_id"].to_list() == ["c"]


def test_bad_requests():
    with pytest.raises(RequestError, match=r"k is 0"):
        similar_items(VECTORS, CATALOGUE, 0, k=0)
    with pytest.raises(RequestError, match=r"the catalogue has one single category"):
        similar_items(VECTORS, shop("AAAAAA"), 0, other_categories=True)


def test_among_narrows_the_list():
    among = np.array([True, False, False, True, False, True])
    assert similar_items(VECTORS, CATALOGUE, 0, among=among)["item_id"].to_list() == ["d", "f"]


def test_complements_by_lift_then_support_then_popularity():
    companions = Companions(np.array([9.0, 2.0, 2.0, 3.0, 1.0, 5.0]), np.array([9, 4, 6, 1, 9, 2]))
    unlike = np.array([False, True, True, True, True, False])
    table = complements(companions, unlike, CATALOGUE, 0)
    assert table["item_id"].to_list() == ["d", "c", "b"]  # e's lift is 1, f is of the same kind
    assert table["lift"].to_list() == [3.0, 2.0, 2.0]
    assert table["support"].to_list() == [1, 6, 4]
    assert table["rank"].to_list() == [1, 2, 3]
    assert complements(companions, unlike, CATALOGUE, 0, other_categories=True)["item_id"].to_list() == ["d", "c"]
    alone = complements(companions, unlike, shop("AAAAAA", available=[True, True, True, False, True, True]), 0)
    assert alone["item_id"].to_list() == ["c", "b"]
    with pytest.raises(RequestError, match="the catalogue has one single category"):
        complements(companions, unlike, shop("AAAAAA"), 0, other_categories=True)
    with pytest.raises(RequestError, match="k is 0"):
        complements(companions, unlike, CATALOGUE, 0, k=0)
