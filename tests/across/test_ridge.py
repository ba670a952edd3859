"""The cross-aisle ridge beside solvers of others: numpy's, scikit-learn's, and the plain formula written out."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.kernel_ridge import KernelRidge

from crossaisle.across.ridge import CrossAisleRidge, _leading
from crossaisle.across.settings import AcrossSettings
from crossaisle.across.shoppers import Knowledge, likeness, scaled, turned, typical_lengths
from crossaisle.baselines.ials import IALS
from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.testing import scorer_contract, toy_dataset

SMALL = AcrossSettings(dim=8, regularisation=1.0, penalty=1.0, components=1000, least_shoppers=5, borrow=0.0)


def _text(n=80, dim=6, seed=1):
    out = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


def _dense(histories, n):
    out = np.zeros((len(histories), n), np.float64)
    out[histories.owners, histories.items] = 1.0
    return out


def _by_hand(data, aisle, settings, text, asked):
    """The kernels (n, n) and (B, n) and what the shoppers have in the aisle, from the words of the docstrings and dense arrays only."""
    x, q = _dense(data.histories, data.n_items), _dense(asked, data.n_items)
    here = data.item_categories == aisle
    aisles = [(x[:, data.item_categories == a].sum(1) > 0) for a in range(len(data.categories))]
    several = np.sum(aisles, axis=0) > 1
    rows = np.flatnonzero(several & (x[:, here].sum(1) > 0))
    idf = np.log(len(x) / np.maximum(x.sum(0), 1)) * (x.sum(0) > 0)
    v = IALS(settings.dim, settings.alpha, settings.regularisation, settings.iterations, 1.0, 0).fit(data).item_factors
    v = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
    k, asked_k = np.full((len(rows), len(rows)), settings.constant), np.full((len(q), len(rows)), settings.constant)
    for weight, power, items in ((settings.ids, 0.75, np.diag(idf)), (settings.factors, 0.75, v), (settings.text, 1.0, text)):
        theirs, mine = (x[rows] * ~here) @ items, (q * ~here) @ items
        typical = np.sqrt((np.linalg.norm(theirs, axis=1) ** 2).mean())
        theirs, mine = (
            b / (np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-9) ** power * typical ** (1 - power)) for b in (theirs, mine)
        )
        k += weight * theirs @ theirs.T
        asked_k += weight * mine @ theirs.T
    return k, asked_k, x[rows][:, here], settings.penalty * (settings.constant + settings.ids + settings.factors + settings.text)


@pytest.mark.parametrize("aisle", [0, 3])
def test_scores_are_those_of_scikit_learns_kernel_ridge(data, aisle):
    text, asked = _text(), data.histories[:20]
    ridge = CrossAisleRidge(SMALL, text).fit(data)
    k, asked_k, bought, penalty = _by_hand(data, aisle, SMALL, text, asked)
    expected = KernelRidge(kernel="precomputed", alpha=penalty).fit(k, bought).predict(asked_k)
    found = ridge.inside(asked, aisle)
    assert np.abs(found - expected).max() < 2e-4 * np.abs(expected).max()
    assert np.std(expected, axis=0).max() > 0.05  # the answers differ from history to history


def test_borrowing_adds_what_the_factors_say_of_the_ridges_own_answer(data):
    plain, borrowed = (CrossAisleRidge(dataclasses.replace(SMALL, borrow=b)).fit(data) for b in (0.0, 0.5))
    v = IALS(SMALL.dim, SMALL.alpha, SMALL.regularisation, SMALL.iterations, 1.0, 0).fit(data).item_factors.astype(np.float64)
    here = v[data.item_categories == 2]
    first = plain.inside(data.histories[:10], 2)
    extra = 0.5 * SMALL.alpha * first @ here @ np.linalg.solve(v.T @ v + SMALL.regularisation * np.eye(SMALL.dim), here.T)
    assert np.abs(borrowed.inside(data.histories[:10], 2) - first - extra).max() < 1e-4 * np.abs(first).max()
    assert np.abs(extra).max() > 0.01 * np.abs(first).max()


def test_the_inverse_is_exact_with_all_components_and_near_with_the_leading_ones():
    rng = np.random.default_rng(0)
    low = rng.normal(size=(60, 5))
    k = (low @ low.T + 0.01 * np.diag(rng.uniform(size=60))).astype(np.float32)
    expected = np.linalg.inv(k.astype(np.float64) + 2.0 * np.eye(60))
    for components, error in ((60, 1e-5), (200, 1e-5), (8, 1e-2), (5, 1e-2)):
        vectors, values, left = _leading(k, components, 0)
        rest = 1 / (2.0 + left)
        gains = 1 / (2.0 + values) - rest
        found = rest * np.eye(60) + vectors * gains @ vectors.T
        assert np.abs(found - expected).max() < error
        assert vectors.shape == (60, min(60, components))
    again = _leading(k, 8, 0)[0]
    assert np.array_equal(again, _leading(k, 8, 0)[0])


def test_likeness_is_positive_semi_definite_and_forgets_no_weight():
    rng = np.random.default_rng(3)
    x = sp.csr_matrix((rng.uniform(size=(50, 30)) < 0.2).astype(np.float32))
    v = rng.normal(size=(30, 4)).astype(np.float32)
    knows = Knowledge(rng.uniform(0.1, 3, 30).astype(np.float32), v / np.linalg.norm(v, axis=1, keepdims=True), _text(30), SMALL)
    raw = knows.blocks(x)
    blocks = scaled(raw, typical_lengths(raw))
    k = likeness(blocks, turned(blocks), SMALL, 50, 50)
    assert np.abs(k - k.T).max() < 1e-5
    assert np.linalg.eigvalsh(k.astype(np.float64)).min() > -1e-5
    changed = dataclasses.replace(SMALL, text=0.0, constant=0.7)
    less = Knowledge(knows.idf, knows.factors, knows.text, changed).blocks(x)
    assert set(raw) == {"ids", "factors", "text"}
    assert set(less) == {"ids", "factors"}
    assert likeness({}, {}, changed, 2, 3).tolist() == np.full((2, 3), 0.7, np.float32).tolist()


def test_a_shopper_of_typical_length_has_length_one():
    block = np.array([[3.0, 4.0], [0.0, 5.0], [0.0, 0.0]], dtype=np.float32)
    typical = {"factors": 5.0}
    lengths = np.linalg.norm(scaled({"factors": block}, typical)["factors"], axis=1)
    assert lengths.tolist() == pytest.approx([1.0, 1.0, 0.0])


def test_the_contract_of_a_scorer(data):
    for settings, text in ((SMALL, _text()), (dataclasses.replace(SMALL, borrow=0.3), None)):
        ridge = scorer_contract(lambda settings=settings, text=text: CrossAisleRidge(settings, text), data)
        assert ridge.aisles == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": 0.0, "factors": 0.0, "text": 0.0},
        {"ids": 0.0, "factors": 0.0, "text": 0.0, "constant": 0.0},
        {"regularisation": 0.0, "dim": 100, "borrow": 0.5},
        {"components": 1},
        {"most_shoppers": 10},
    ],
)
def test_odd_settings_still_give_finite_scores(data, changes):
    ridge = CrossAisleRidge(dataclasses.replace(SMALL, **changes)).fit(data)
    assert np.isfinite(ridge.score(data.histories[:5])).all()
    assert len(ridge.aisles) == 4


def test_without_shoppers_of_two_aisles_there_is_popularity(data):
    one_each = Histories.from_lists([[int(r[0])] for r in data.histories.rows()])
    for shop in (data.with_histories(one_each), toy_dataset(n_aisles=1), data.with_histories(Histories.from_lists([[]] * 120))):
        ridge = CrossAisleRidge(SMALL).fit(shop)
        scores = ridge.score(shop.histories[:3])
        assert ridge.aisles == ()
        assert np.allclose(scores, _dense(shop.histories, 80).mean(axis=0)[None, :], atol=1e-6)
        again = CrossAisleRidge.from_state(*_copied(ridge.state()), None)
        assert np.array_equal(again.score(shop.histories[:3]), scores)


def _copied(state):
    tensors, config = state
    return {k: v.clone() for k, v in tensors.items()}, config


def test_items_without_an_aisle_are_read_and_never_predicted(data):
    nameless = data.items.with_columns(pl.when(pl.col("category") == "Books").then(pl.lit("")).otherwise("category").alias("category"))
    shop = dataclasses.replace(data, items=nameless)
    ridge = CrossAisleRidge(SMALL).fit(shop)
    assert shop.categories[0] == ""
    assert ridge.aisles == (1, 2, 3)
    books = np.flatnonzero(shop.item_categories == 0)
    one, other = (ridge.inside(Histories.from_lists([[int(b)]]), 1) for b in books[:2])
    assert np.abs(one - other).max() > 1e-3


def test_what_is_inside_the_aisle_and_how_often_does_not_matter(data):
    ridge = CrossAisleRidge(SMALL, _text()).fit(data)
    here = np.flatnonzero(data.item_categories == 1)[:3].tolist()
    outside = np.flatnonzero(data.item_categories != 1)[:2].tolist()
    scores = ridge.inside(Histories.from_lists([outside, [*outside, *here], outside[::-1] * 3]), 1)
    assert np.abs(scores - scores[0]).max() < 1e-5 * np.abs(scores).max()


def test_someone_with_nothing_elsewhere_gets_what_sells_there(data):
    ridge = CrossAisleRidge(dataclasses.replace(SMALL, constant=1.0)).fit(data)
    scores = ridge.inside(Histories.from_lists([[]]), 2)[0]
    sold = _dense(data.histories, 80).mean(axis=0)[data.item_categories == 2]
    assert np.corrcoef(scores, sold)[0, 1] > 0.8


def test_items_that_join_are_read_by_what_they_say(data):
    text = _text()
    ridge = CrossAisleRidge(SMALL, text).fit(data)
    asked = data.histories[:4]
    before = ridge.score(asked)  # the features of the shoppers are made, and must be made again
    ridge.add_items(np.array([1, 9]), np.concatenate([text, text[[5, 7]]]))
    after = ridge.score(asked)
    assert after.shape == (4, 82)
    assert np.abs(after[:, :80] - before).max() < 1e-5 * np.abs(before).max()
    told, silent = ridge.inside(Histories.from_lists([[81], []]), 0)
    alike = ridge.inside(Histories.from_lists([[7]]), 0)[0]
    assert np.abs(told - silent).max() > 1e-4
    assert np.corrcoef(told - silent, alike - silent)[0, 1] > 0.3
    again = CrossAisleRidge.from_state(*_copied(ridge.state()), ridge.text)
    odd = Histories.from_lists([[81, 3], [80], [], [2, 2]])
    assert np.array_equal(again.score(odd), ridge.score(odd))


def test_saved_and_loaded_it_gives_the_same_scores(data):
    ridge = CrossAisleRidge(dataclasses.replace(SMALL, borrow=0.3, most_shoppers=40), _text(), seed=5).fit(data)
    again = CrossAisleRidge.from_state(*_copied(ridge.state()), _text())
    assert np.array_equal(again.score(data.histories), ridge.score(data.histories))
    assert again.aisles == ridge.aisles


def test_few_shoppers_leave_an_aisle_alone(data):
    ridge = CrossAisleRidge(dataclasses.replace(SMALL, least_shoppers=10_000)).fit(data)
    assert ridge.aisles == ()
    with pytest.raises(SettingError, match="setting penalty is 0; expected a number of at least 1e-06"):
        AcrossSettings(penalty=0)


def test_people_who_are_not_trusted_are_no_shoppers() -> None:
    data = toy_dataset(n_users=80)
    settings = AcrossSettings(dim=8, regularisation=1.0, least_shoppers=5)
    trust = np.where(data.histories.owners < 20, np.float32(0.02), np.float32(1.0))
    low = CrossAisleRidge(settings, _text()).fit(data.with_histories(dataclasses.replace(data.histories, trust=trust)))
    rest = CrossAisleRidge(settings).fit(data.select_users(np.arange(20, 80)))
    assert np.array_equal(low._popular > 0, rest._popular > 0)
    np.testing.assert_allclose(low._popular * 80, rest._popular * 60, rtol=1e-5)
    asked, before = data.histories[:3], low.score(data.histories[:3])
    low.use_text(_text(seed=2))
    assert not np.allclose(low.score(asked), before, rtol=1e-3)
    low.use_text(_text())
    assert np.array_equal(low.score(asked), before)
