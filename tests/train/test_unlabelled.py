"""Soft labels and consistency: known answers, the cap, the placebo, and that nothing changes where they are off."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from scipy.sparse import csr_matrix

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import SettingError
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings
from crossaisle.train.unlabelled import Unlabelled, capped, consistency_loss, soft_labels, without_target

MODEL = ModelSettings(dim=16, heads=2, window=16, senses=("id", "words"), dropout=0.2)
PSEUDO = TrainSettings(epochs=2, tokens_per_step=128, unlabelled="pseudo", pseudo_histories=16)


class FakeReader:
    """A fake of encode.items.ItemReader: words only, no language model."""

    note = "words only"

    def fit(self, items):
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items, progress=None):
        bags = self.vocabulary.bags(items)
        return {"words": Sense(bags, np.diff(bags.indptr) > 0)}


def shop(n_users: int = 120, single: float = 0.5, seed: int = 0) -> Dataset:
    """The toy shop, this share of its people with their first event alone."""
    data = toy_dataset(seed, n_users=n_users)
    h = data.histories
    cut = np.arange(n_users) < single * n_users
    first = np.arange(len(h.items)) == h.offsets[:-1][h.owners]
    return data.with_histories(h.keep(first | ~cut[h.owners]))


def fitted(training: TrainSettings, data: Dataset | None = None, **changes) -> NetworkScorer:
    return NetworkScorer(MODEL, training, FakeReader(), **changes).fit(data or shop())


def words(*rows) -> dict[str, Sense]:
    return {"words": Sense(csr_matrix(np.array(rows, dtype=np.float32)), np.array([any(r) for r in rows]))}


def small(rows, n: int = 4) -> Dataset:
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(n)], "category": ["x"] * n})
    return Dataset(items, pl.Series([f"u{u}" for u in range(len(rows))]), Histories.from_lists(rows))


def test_who_has_nothing_to_predict() -> None:
    h = Histories.from_lists([[0, 1], [2], [], [3, 1]])
    assert without_target(h, None).tolist() == [1]
    # an event of another kind is no target
    assert without_target(h, np.array([True, True, True, True, False])).tolist() == [1, 3]


def test_soft_labels_by_hand() -> None:
    """Steps lead from 0 to 1 alone; the words of 0 are like those of 2 alone; item 3 has no event and no label."""
    data = small([[0, 1], [0], [2]])
    codes, shares = soft_labels(data, data.histories[np.array([1])], words([1, 0], [0, 1], [1, 0], [1, 0]), 1.0)
    label = dict(zip(codes[0].tolist(), shares[0].tolist(), strict=True))
    assert label == {1: pytest.approx(0.5), 2: pytest.approx(0.5), 0: 0.0, 3: 0.0}


def test_temperature_flattens() -> None:
    data = small([[0, 1], [0], [2], [3]])
    senses = words([1, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 0])
    hot, cold = (
        dict(zip(*(x[0].tolist() for x in soft_labels(data, data.histories[np.array([1])], senses, t)), strict=True)) for t in (2.0, 0.5)
    )
    # cosines with item 0: 1 of item 2, 1 / sqrt(2) of item 3
    assert cold[3] / cold[2] == pytest.approx(0.5, abs=1e-5)
    assert hot[3] / hot[2] == pytest.approx(0.5**0.25, abs=1e-5)


def test_no_item_has_more_labels_than_its_natural_share() -> None:
    data = shop(200, 0.7)
    scorer = FakeReader().fit(data.items)
    which = without_target(data.histories, None)
    codes, shares = soft_labels(data, data.histories[which], scorer.read(data.items), 1.0)
    assert shares.sum(1) == pytest.approx(np.ones(len(which)), abs=1e-5)
    before = np.bincount(codes.ravel(), shares.ravel(), data.n_items)
    after = np.bincount(codes.ravel(), capped(codes, shares, data.item_counts).ravel(), data.n_items)
    allowed = len(which) * data.item_counts / data.item_counts.sum()
    assert (before > allowed * 1.01).any()
    assert (after <= allowed * 1.0001 + 1e-6).all()
    np.testing.assert_allclose(after[before <= allowed], before[before <= allowed], rtol=1e-4)
    histories = data.histories[which]
    assert not ((codes == histories.items[:, None]) & (shares > 0)).any()


@pytest.fixture(scope="module")
def trained() -> tuple[NetworkScorer, Unlabelled, Dataset]:
    data = shop()
    scorer = fitted(dataclasses.replace(PSEUDO, refit=False), data)
    return scorer, Unlabelled(data, None, scorer.senses, PSEUDO, 16, 0), data


def test_the_loss_is_the_cross_entropy_with_soft_labels(trained) -> None:
    scorer, _, data = trained
    every = Unlabelled(data, None, scorer.senses, dataclasses.replace(PSEUDO, pseudo_histories=1000), 16, 0)
    with torch.no_grad():
        found = float(every.pseudo_loss(scorer.network, torch.Generator().manual_seed(0), torch.float32))
    logits = torch.from_numpy(scorer.score(every.histories))
    logits[:, torch.from_numpy(scorer.counts == 0)] = -torch.inf
    labels = torch.zeros_like(logits).scatter_add_(1, torch.from_numpy(every.codes), torch.from_numpy(every.shares))
    expected = -(labels * torch.log_softmax(logits, 1).clamp_min(-1e9)).sum() / labels.sum()
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_a_sample_estimates_the_loss_over_the_catalogue(trained) -> None:
    scorer, _, data = trained
    whole, drawn = (
        Unlabelled(data, None, scorer.senses, dataclasses.replace(PSEUDO, pseudo_histories=1000, negatives=n), 16, 0) for n in (0, 60)
    )
    with torch.no_grad():
        exact = float(whole.pseudo_loss(scorer.network, torch.Generator(), torch.float32))
        some = [float(drawn.pseudo_loss(scorer.network, torch.Generator().manual_seed(s), torch.float32)) for s in range(30)]
    assert np.mean(some) == pytest.approx(exact, abs=0.05)


def test_weights_rise_over_the_first_fifth(trained) -> None:
    scorer, unlabelled, data = trained
    rows = pack_for_training(data.histories, 16, 0)
    values = []
    for done in (0.0, 0.1, 0.2, 1.0):
        with torch.no_grad():
            more = unlabelled.term(scorer.network, rows, torch.Generator().manual_seed(1), torch.float32, done)
        values.append(0.0 if more is None else float(more))
    assert values[0] == 0
    assert values[1] == pytest.approx(values[2] / 2, rel=1e-5)
    assert values[2] == pytest.approx(values[3], rel=1e-5)


def test_the_placebo_deals_out_the_same_labels(trained) -> None:
    scorer, unlabelled, data = trained
    placebo = Unlabelled(data, None, scorer.senses, dataclasses.replace(PSEUDO, unlabelled="shuffled"), 16, 0)
    mine, dealt = (np.bincount(u.codes.ravel(), u.shares.ravel(), data.n_items) for u in (unlabelled, placebo))
    np.testing.assert_allclose(mine, dealt, rtol=1e-4, atol=1e-6)
    assert (unlabelled.codes != placebo.codes).any()


def test_soft_labels_are_learned_and_a_placebo_is_not() -> None:
    """Likelihood of what the one-event people really did next, which nothing in training holds: labels against the same ones dealt out."""
    whole, data = toy_dataset(n_users=300), shop(300, 0.8)
    h = whole.histories
    cut = np.flatnonzero(data.histories.lengths == 1)
    then = h.items[h.offsets[cut] + 1]

    def likelihood(kind: str) -> float:
        training = dataclasses.replace(PSEUDO, unlabelled=kind, pseudo_weight=1.0, epochs=8)
        scores = torch.from_numpy(fitted(training, data).score(data.histories[cut]))
        return float(torch.log_softmax(scores, 1)[torch.arange(len(cut)), torch.from_numpy(then)].mean())

    assert likelihood("pseudo") > likelihood("shuffled") + 0.05


def test_two_views_by_hand(trained) -> None:
    scorer, _, data = trained
    network = scorer.network
    rows = pack_for_training(data.histories, 16, 0).rows(slice(0, 3))
    with torch.no_grad():
        found = float(consistency_loss(network, rows, torch.Generator(), torch.float32))
        raw, bare = network.tower(), network.tower.parts(torch.arange(data.n_items))[1]
        chosen = rows.target_weights > 0
        columns = torch.unique(torch.cat([rows.items[rows.segment >= 0], rows.targets[chosen]]))
        items = torch.nn.functional.normalize(raw[columns], dim=-1)
        p, q = (torch.softmax(network.scale * network.states(v, rows)[chosen] @ items.T, 1) for v in (raw, bare))
        kl = torch.nn.functional.kl_div
        expected = (kl(q.log(), p, reduction="batchmean") + kl(p.log(), q, reduction="batchmean")) / 2
    assert found == pytest.approx(float(expected), rel=1e-4)
    assert found > 0
    table = network.tower.id_table.detach().clone()
    with torch.no_grad():
        network.tower.id_table.zero_()
        assert float(consistency_loss(network, rows, torch.Generator(), torch.float32)) == pytest.approx(0, abs=1e-9)
        network.tower.id_table.copy_(table)
        nothing = dataclasses.replace(rows, target_weights=torch.zeros_like(rows.target_weights))
        assert float(consistency_loss(network, nothing, torch.Generator(), torch.float32)) == 0


def test_consistency_brings_the_views_together() -> None:
    def apart(weight: float) -> float:
        training = TrainSettings(epochs=4, tokens_per_step=128, consistency=weight, refit=False)
        scorer = fitted(training)
        rows = pack_for_training(shop().histories, 16, 0)
        with torch.no_grad():
            return float(consistency_loss(scorer.network, rows, torch.Generator().manual_seed(0), torch.float32))

    assert apart(2.0) < 0.8 * apart(0.0)


def test_off_by_default_and_without_such_histories_nothing_changes() -> None:
    assert not Unlabelled.wanted(TrainSettings(), MODEL)
    data = toy_dataset(n_users=60)  # after holding out the newest event everybody has two or more
    plain, pseudo = (fitted(dataclasses.replace(PSEUDO, unlabelled=kind), data) for kind in ("none", "pseudo"))
    np.testing.assert_array_equal(plain.item_vectors(), pseudo.item_vectors())


class Stop(Exception):
    """Raised by the fake interruption below."""


def test_a_stopped_run_goes_on_to_the_same_model(tmp_path) -> None:
    training = dataclasses.replace(PSEUDO, epochs=3, consistency=0.1)
    whole = fitted(training)

    def stop(name, done, total, note):
        if name == "training on everything" and done >= 0.5 * total:
            raise Stop

    scorer = NetworkScorer(MODEL, training, FakeReader())
    with pytest.raises(Stop):
        scorer.fit(shop(), checkpoint=tmp_path / "fit", progress=stop)
    resumed = NetworkScorer(MODEL, training, FakeReader()).fit(shop(), checkpoint=tmp_path / "fit", resume=True)
    np.testing.assert_array_equal(resumed.item_vectors(), whole.item_vectors())


@pytest.mark.parametrize(
    ("training", "senses", "said"),
    [
        ({"unlabelled": "pseudo", "objective": "factored"}, ("id", "words"), r"train.unlabelled beside train.objective=factored"),
        ({"consistency": 0.1, "objective": "rating"}, ("id", "words"), r"train.consistency beside train.objective=rating"),
        ({"consistency": 0.1, "debias": "popularity"}, ("id", "words"), r"train.consistency beside train.debias=popularity"),
        ({"consistency": 0.1}, ("id",), r"train.consistency with model.senses=id; expected id and at least one other sense"),
        ({"consistency": 0.1}, ("words", "text"), r"train.consistency with model.senses=words,text"),
    ],
)
def test_what_does_not_go_together(training, senses, said) -> None:
    with pytest.raises(SettingError, match=said):
        Unlabelled.wanted(TrainSettings(**training), dataclasses.replace(MODEL, senses=senses))


def test_a_large_table_is_sampled(monkeypatch) -> None:
    data = shop()
    senses = FakeReader().fit(data.items).read(data.items)
    monkeypatch.setattr("crossaisle.train.unlabelled.MOST_CELLS", 7 * data.n_items)
    assert len(Unlabelled(data, None, senses, PSEUDO, 16, 0).histories) <= 7
