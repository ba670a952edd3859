"""The people of a model: by id, and on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import OwnReviews, ReviewTable
from crossaisle.errors import RequestError
from crossaisle.rank.catalogue import Catalogue
from crossaisle.testing import toy_dataset
from crossaisle.whole.people import People


@pytest.fixture
def data() -> Dataset:
    return toy_dataset(n_users=6, n_items=16)


@pytest.fixture
def people(data: Dataset) -> People:
    return People(data.users, data.histories)


def test_by_id_in_the_order_asked(people: People) -> None:
    ids, histories = people.of([people.users[4], "nobody", people.users[0]])
    assert ids == [people.users[4], "nobody", people.users[0]]
    assert histories.lengths.tolist() == [people.histories.lengths[4], 0, people.histories.lengths[0]]
    assert histories.row(0).tolist() == people.histories.row(4).tolist()
    for everybody in (None, "all"):
        assert people.of(everybody) == (people.users.to_list(), people.histories)


def test_one_text_is_refused(people: People) -> None:
    with pytest.raises(RequestError, match=r"users is the text 'ann'.*pass \['ann'\]"):
        people.of("ann")


def same(a: Histories, b: Histories) -> None:
    for name in ("offsets", "items", "events", "weights", "times"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_what_is_written_is_read(data: Dataset, people: People, tmp_path: Path) -> None:
    catalogue = Catalogue.of(data)
    people.write(tmp_path / "h.parquet", catalogue, with_ratings=False)
    again = People.read(tmp_path / "h.parquet", catalogue)
    assert again.users.to_list() == people.users.to_list()
    same(again.histories, people.histories)
    assert again.histories.ratings is None
    assert again.histories.own is None


def test_ratings_only_where_they_were_learned(data: Dataset, people: People, tmp_path: Path) -> None:
    catalogue, n = Catalogue.of(data), len(data.histories.items)
    ratings = np.where(np.arange(n) % 3 == 0, np.nan, np.arange(n) % 5 + 1.0).astype(np.float32)
    rated = People(people.users, dataclasses.replace(people.histories, ratings=ratings))
    for kept in (True, False):
        rated.write(tmp_path / "h.parquet", catalogue, with_ratings=kept)
        found = People.read(tmp_path / "h.parquet", catalogue).histories.ratings
        if kept:
            np.testing.assert_array_equal(found, ratings)
        else:
            assert found is None


def test_of_reviews_vectors_ratings_and_times_are_kept_and_no_text(data: Dataset, people: People, tmp_path: Path) -> None:
    catalogue, n = Catalogue.of(data), len(data.histories.items)
    table = ReviewTable(
        pl.Series(["so good", "", "broke"]).to_list(),
        np.array([5, 3, np.nan], np.float32),
        np.array([7.0, 8.0, 9.0]),
        np.array([[1, 2], [0, 0], [3, 4]], np.float32),
        np.array([True, False, True]),
    )
    rows = np.full(n, -1)
    rows[[1, 4, 5]] = [2, 0, 1]
    wrote = People(people.users, dataclasses.replace(people.histories, own=OwnReviews(rows, table)))
    wrote.write(tmp_path / "h.parquet", catalogue, with_ratings=False)
    assert not {"so good", "broke"} & {str(v) for row in pl.read_parquet(tmp_path / "h.parquet").iter_rows() for v in row}
    own = People.read(tmp_path / "h.parquet", catalogue).histories.own
    assert own is not None
    assert (own.rows >= 0).tolist() == (rows >= 0).tolist()
    assert own.table.texts is None
    assert own.table.told is not None
    assert own.table.vectors is not None
    for place, row in ((1, 2), (4, 0), (5, 1)):
        here = own.rows[place]
        assert own.table.vectors[here].tolist() == table.vectors[row].tolist()
        assert bool(own.table.told[here]) == bool(table.told[row])
        np.testing.assert_array_equal(own.table.ratings[here], table.ratings[row])
        assert own.times[place] == table.times[row]
