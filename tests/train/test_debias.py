"""Popularity in training: what targets weigh, and a network that learns beside popularity and serves as much of it as is wanted."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional as F

from crossaisle import Dataset
from crossaisle.data.build import DataSettings
from crossaisle.data.split import hold_out_last
from crossaisle.encode.items import ItemReader
from crossaisle.encode.text import TextSettings
from crossaisle.encode.words import WordSettings
from crossaisle.errors import ModelError, RequestError, SettingError
from crossaisle.model.network import Network
from crossaisle.model.popularity import PopularityBias
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import scorer_contract, toy_dataset
from crossaisle.train.debias import effective_size, inverse_propensity, propensities, target_weights
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.objective import aisle_weights, step_loss
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings

MODEL = ModelSettings(dim=32, heads=2, window=16, senses=("id", "words"), dropout=0.2)
TRAINING = TrainSettings(epochs=3, tokens_per_step=128)
POPULARITY = dataclasses.replace(TRAINING, debias="popularity")


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


def _scorer(training=TRAINING, **changes):
    return NetworkScorer(MODEL, training, ItemReader(("words",), TextSettings(), WordSettings()), **changes)


# weights


def test_inverse_propensities_by_hand():
    # p = (n / 8)^.5 = 1, .5, .5^1.5; no clip in the way
    counts = np.array([8, 2, 1, 0])
    p = (counts / 8) ** 0.5
    w = inverse_propensity(p, counts, 20.0)
    np.testing.assert_allclose(w[:3] / w[0], [1, 2, 8**0.5])
    assert (w * counts).sum() == pytest.approx(counts.sum())  # 1 on average over the events
    assert effective_size(w, counts) == pytest.approx((8 + 4 + 8**0.5) ** 2 / (8 + 8 + 8))


@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0])
def test_the_ratio_of_weights_is_clipped(ratio):
    counts = np.array([1000, 10, 1, 0])
    w = inverse_propensity((counts / 1000) ** 0.5, counts, ratio)
    assert w[counts > 0].max() / w[counts > 0].min() == pytest.approx(ratio)


def test_without_ips_the_weights_are_those_of_the_aisles(data):
    for balance in (1.0, 0.5):
        settings = dataclasses.replace(TRAINING, aisle_balance=balance)
        found, facts = target_weights(data, settings)
        wanted = aisle_weights(data.item_counts, data.item_categories, balance)
        assert facts == {}
        assert found is None if wanted is None else np.array_equal(found, wanted)


def test_ips_and_balanced_aisles_compose(data):
    settings = dataclasses.replace(TRAINING, debias="ips", aisle_balance=0.0)
    w, facts = target_weights(data, settings)
    total = np.bincount(data.item_categories, weights=w * data.item_counts)
    np.testing.assert_allclose(total, total.mean(), rtol=1e-4)  # every aisle as much in total
    assert (w * data.item_counts).sum() == pytest.approx(data.item_counts.sum(), rel=1e-5)
    inside = (data.item_categories == 0) & (data.item_counts > 0)
    order = np.argsort(data.item_counts[inside], kind="stable")
    assert (np.diff(w[inside][order]) <= 1e-6).all()  # inside an aisle the rarer weighs more
    assert 1 < facts["effective targets"] < facts["targets"] == len(data.histories.items)
    assert facts["effective targets"] == pytest.approx(effective_size(w.astype(np.float64), data.item_counts), rel=1e-3)


def test_events_that_are_no_targets_count_for_nothing(data):
    mask = data.histories.events == 1
    _, facts = target_weights(data, dataclasses.replace(TRAINING, debias="ips"), mask)
    assert facts["targets"] == mask.sum()


def test_equal_propensities_weigh_alike(data):
    same = dataclasses.replace(data, propensities=np.full(data.n_items, 0.3))
    w, facts = target_weights(same, dataclasses.replace(TRAINING, debias="ips"))
    np.testing.assert_allclose(w, 1, rtol=1e-6)
    assert facts["effective targets"] == pytest.approx(facts["targets"], abs=0.1)


def test_propensities_of_the_items_table_are_read():
    events = pl.DataFrame({"user_id": list("uuvv"), "item_id": list("abac"), "timestamp": [1, 2, 1, 2]})
    items = pl.DataFrame({"item_id": list("abcd"), "title": list("wxyz"), "propensity": ["0.5", "0.25", "2", ""]})
    data = Dataset.from_frames(events, items, settings=DataSettings(core=0))
    np.testing.assert_array_equal(data.propensities, [0.5, 0.25, np.nan, np.nan])
    assert "propensity" not in data.items.columns
    assert "propensity" in str(data.report)
    with pytest.raises(RequestError, match="1 items with events have no propensity"):
        propensities(data, data.item_counts, 0.5)
    whole = Dataset.from_frames(events, items.with_columns(propensity=pl.Series([0.5, 0.25, 0.5, None])), settings=DataSettings(core=0))
    w, _ = target_weights(whole, TrainSettings(debias="ips"))
    np.testing.assert_allclose(w[[1, 2]] / w[0], [2, 1], rtol=1e-6)


def test_ips_learns_and_says_what_it_costs(data):
    fitted = _scorer(dataclasses.replace(TRAINING, debias="ips")).fit(data)
    assert max(fitted.selection.scores) > 2 * 4.54 / data.n_items
    assert "effective targets" in fitted.note
    again = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    assert again.debias == fitted.debias
    np.testing.assert_array_equal(fitted.score(data.histories), again.score(data.histories))


def test_a_checkpoint_of_other_propensities_is_refused(data, tmp_path):
    training = dataclasses.replace(TRAINING, debias="ips", epochs=1)
    first = dataclasses.replace(data, propensities=np.full(data.n_items, 0.3))
    _scorer(training).fit(first, checkpoint=tmp_path / "fit")
    with pytest.raises(ModelError, match="other data or settings"):
        _scorer(training).fit(dataclasses.replace(data, propensities=np.full(data.n_items, 0.4)), checkpoint=tmp_path / "fit", resume=True)


# popularity apart


def _network(data, factored, gamma, serve, trained=None):
    torch.manual_seed(0)
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id",), dropout=0.0, input_dropout=0.0, id_dropout=0.0, temperature=3.0)
    network = Network(model, {}, data.n_items, n_aisles=len(data.categories) if factored else 0).eval()
    network.tower.attach({}, data.item_counts > 0 if trained is None else trained)
    if network.head is not None:
        network.head.attach(data.item_categories, network.tower.trained)
        with torch.no_grad():
            for p in network.head.parameters():
                p.normal_(std=0.3)
    if gamma is not None:
        network.popularity = PopularityBias(data.item_counts, data.item_counts > 0, gamma, serve)
    return network


def _scores(network, rows):
    vectors = network.tower()
    chosen = rows.target_weights > 0
    return network.scores(network.states(vectors, rows)[chosen], F.normalize(vectors, dim=-1)), rows.targets[chosen]


@pytest.mark.parametrize("factored", [False, True])
def test_what_is_trained_is_what_is_served_where_gamma_is_the_same(data, factored):
    network, rows = _network(data, factored, 0.7, 0.7), pack_for_training(data.histories, 16, 0).rows(slice(0, 8))
    found = step_loss(network, rows, 0, torch.Generator(), torch.float32)
    scores, targets = _scores(network, rows)
    wanted = F.cross_entropy(scores.masked_fill(~network.tower.trained, -torch.inf), targets)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    a, b = (torch.autograd.grad(x, network.tower.id_table, retain_graph=True)[0] for x in (found, wanted))
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    plain = step_loss(_network(data, factored, None, None), rows, 0, torch.Generator(), torch.float32)
    assert abs(plain.item() - found.item()) > 0.01


@pytest.mark.parametrize("factored", [False, True])
def test_the_sampled_softmax_estimates_the_whole_one(data, factored):
    network, rows = _network(data, factored, 1.0, 1.0), pack_for_training(data.histories, 16, 0).rows(slice(0, 8))
    with torch.no_grad():
        whole = float(step_loss(network, rows, 0, torch.Generator(), torch.float32))
        drawn = [float(step_loss(network, rows, 60, torch.Generator().manual_seed(s), torch.float32)) for s in range(200)]
    assert np.std(drawn) > 0
    assert np.mean(drawn) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("factored", [False, True])
def test_served_scores_are_tilted_by_the_power_of_popularity(data, factored):
    rows = pack_for_training(data.histories, 16, 0).rows(slice(0, 4))
    network = _network(data, factored, 0.5, 0.5)
    as_trained = torch.log_softmax(_scores(network, rows)[0][:, network.tower.trained], 1)
    network.popularity.serve.fill_(-0.25)
    served = torch.log_softmax(_scores(network, rows)[0][:, network.tower.trained], 1)
    tilt = -0.75 * torch.log1p(torch.from_numpy(data.item_counts)[network.tower.trained].float())
    torch.testing.assert_close(served, torch.log_softmax(as_trained + tilt, 1), atol=1e-4, rtol=0)


def test_gamma_0_is_no_debiasing_and_log_m_of_a_new_item_is_0(data):
    rows = pack_for_training(data.histories, 16, 0).rows(slice(0, 4))
    for factored in (False, True):
        a, b = _network(data, factored, None, None), _network(data, factored, 0.0, 0.0)
        torch.testing.assert_close(_scores(a, rows)[0], _scores(b, rows)[0], atol=1e-5, rtol=0)
    bias = PopularityBias(np.array([3, 0, 1]), np.array([True, False, True]), 0.5, 0.0)
    assert bias.over(5)[[1, 3, 4]].tolist() == [0, 0, 0]
    assert float(bias.over(5).sum()) == pytest.approx(0, abs=1e-6)


def test_popularity_is_counted_over_targets(data):
    fitted = _scorer(POPULARITY, target_events=("purchase",)).fit(data)
    bought = np.bincount(data.histories.items[data.histories.events == data.event_names.index("purchase")], minlength=data.n_items)
    known = data.item_counts > 0
    log_m = np.log1p(bought)
    np.testing.assert_allclose(fitted.network.popularity.log_m[torch.from_numpy(known)], (log_m - log_m[known].mean())[known], atol=1e-5)


def test_a_planted_confounder_is_taken_out_of_the_network():
    """Everybody takes at random, some items more often: all there is to learn is popularity, log p_i = log m_i and a constant."""
    rng = np.random.default_rng(0)
    base = toy_dataset(n_users=1500)
    share = np.exp(rng.normal(size=base.n_items))
    items = rng.choice(base.n_items, size=len(base.histories.items), p=share / share.sum())
    data = base.with_histories(dataclasses.replace(base.histories, items=items))
    model = dataclasses.replace(MODEL, senses=("id",))
    for gamma in (0.0, 0.5, 1.0):
        training = TrainSettings(epochs=4, tokens_per_step=512, refit=False, debias="popularity", debias_gamma=gamma)
        scores = NetworkScorer(model, training, None).fit(data).score(data.histories)
        slope = np.polyfit(np.log(data.item_counts), scores.mean(0), 1)[0]
        assert slope == pytest.approx(1 - gamma, abs=0.15)  # what gamma log m has not explained, f has to


@pytest.mark.parametrize("wrong", [False, True])
def test_true_propensities_take_what_was_shown_out_and_wrong_ones_do_not(wrong):
    """Everybody likes everything alike and is shown some items more often: weighed by what was shown, nothing is left to learn."""
    rng = np.random.default_rng(0)
    base = toy_dataset(n_users=1500)
    shown = np.exp(rng.normal(size=base.n_items))
    items = rng.choice(base.n_items, size=len(base.histories.items), p=shown / shown.sum())
    claimed = rng.permutation(shown) if wrong else shown  # the placebo: the same propensities, of other items
    data = dataclasses.replace(base.with_histories(dataclasses.replace(base.histories, items=items)), propensities=claimed / claimed.max())
    training = TrainSettings(epochs=4, tokens_per_step=512, refit=False, debias="ips", debias_clip=1e6)
    fitted = NetworkScorer(dataclasses.replace(MODEL, senses=("id",)), training, None).fit(data)
    slope = np.polyfit(np.log(shown), fitted.score(data.histories).mean(0), 1)[0]
    assert slope == pytest.approx(1 if wrong else 0, abs=0.3)


@pytest.mark.parametrize("objective", ["catalogue", "factored"])
def test_the_contract_of_a_scorer_and_its_state(data, objective):
    fitted = scorer_contract(lambda: _scorer(dataclasses.replace(POPULARITY, objective=objective, debias_serve="0.25")), data)
    again = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    np.testing.assert_array_equal(fitted.score(data.histories), again.score(data.histories))
    fitted.counts = fitted.counts * 3  # the front door sets these; what is served stays
    fitted.add_items(data.items.head(2).with_columns(item_id=pl.Series(["new1", "new2"])))
    after = fitted.score(data.histories)
    np.testing.assert_allclose(after[:, : data.n_items], again.score(data.histories), atol=1e-4)
    assert np.isfinite(after).all()
    once_more = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    np.testing.assert_allclose(once_more.score(data.histories), after, atol=1e-5)
    assert once_more.debias == fitted.debias


def test_items_join_a_network_without_ids(data):
    model = dataclasses.replace(MODEL, senses=("words",))
    fitted = NetworkScorer(model, POPULARITY, ItemReader(("words",), TextSettings(), WordSettings())).fit(data)
    fitted.add_items(data.items.head(2).with_columns(item_id=pl.Series(["new1", "new2"])))
    again = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    np.testing.assert_allclose(again.score(data.histories), fitted.score(data.histories), atol=1e-5)


def test_sampled_negatives_learn_too(data):
    fitted = _scorer(dataclasses.replace(POPULARITY, epochs=8, negatives=24, debias_serve="0.5")).fit(data)
    assert max(fitted.selection.scores) > 3 * 4.54 / data.n_items


def test_what_is_served_is_chosen_on_validation(data):
    train, valid = hold_out_last(data)
    fixed = {}
    for serve in ("0", "0.5", "1"):
        scorer = _scorer(dataclasses.replace(POPULARITY, debias_serve=serve)).fit(train, valid)
        fixed[serve] = scorer._validation_score(scorer.network, train, valid.unseen())
    scorer = _scorer(dataclasses.replace(POPULARITY, debias_serve="auto")).fit(train, valid, data)
    served = float(scorer.network.popularity.serve)
    assert scorer.debias == {"popularity learned beside, gamma": 0.5, "served, gamma'": pytest.approx(served)}
    same = _scorer(dataclasses.replace(POPULARITY, debias_serve=str(served))).fit(train, valid, data)
    if same.selection.best_epoch == scorer.selection.best_epoch:  # then the refitted network is the same, and serves the same
        np.testing.assert_array_equal(same.score(data.histories), scorer.score(data.histories))
    again = NetworkScorer.from_state(*scorer.state(), scorer.reader)
    np.testing.assert_array_equal(again.score(data.histories), scorer.score(data.histories))


def test_a_stopped_run_goes_on_to_the_same_model(data, tmp_path):
    training = dataclasses.replace(POPULARITY, debias_serve="auto")
    whole = _scorer(training).fit(data)

    class Stop(Exception):
        """Raised by the fake interruption below."""

    def stop(name, done, total, note):
        if name == "training on everything" and done >= 0.7 * total:
            raise Stop

    with pytest.raises(Stop):
        _scorer(training).fit(data, checkpoint=tmp_path / "fit", progress=stop)
    resumed = _scorer(training).fit(data, checkpoint=tmp_path / "fit", resume=True)
    np.testing.assert_array_equal(resumed.score(data.histories), whole.score(data.histories))
    assert resumed.debias == whole.debias


@pytest.mark.parametrize("serve", ["much", "nan", "7", ""])
def test_a_serve_that_is_no_number_is_refused(serve):
    with pytest.raises(SettingError, match="debias_serve is"):
        TrainSettings(debias_serve=serve)
