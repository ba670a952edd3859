"""Training: it learns, it can be stopped and resumed, it can be taken apart and put together."""

import dataclasses

import numpy as np
import pytest
import torch

from crossaisle.data.histories import Histories
from crossaisle.data.split import hold_out_last
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import ModelError, OutputError, SettingError
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import scorer_contract, toy_dataset
from crossaisle.train import objective
from crossaisle.train.checkpoint import load_checkpoint, save_checkpoint
from crossaisle.train.device import choose_device
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.material import new_targets, target_mask
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings

MODEL = ModelSettings(dim=32, heads=2, window=16, senses=("id", "words"), dropout=0.2)
TRAINING = TrainSettings(epochs=3, tokens_per_step=128)


class FakeReader:
    """A fake of encode.items.ItemReader: words only, no language model."""

    note = "words only"

    def fit(self, items):
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items, progress=None):
        bags = self.vocabulary.bags(items)
        return {"words": Sense(bags, np.diff(bags.indptr) > 0)}


def _scorer(model=MODEL, training=TRAINING, **changes):
    return NetworkScorer(model, training, FakeReader() if "words" in model.senses else None, **changes)


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


def test_the_contract_of_a_scorer(data):
    scorer_contract(_scorer, data)


def test_ids_only_is_sasrec_and_keeps_the_contract(data):
    scorer_contract(lambda: _scorer(dataclasses.replace(MODEL, senses=("id",))), data)


def test_it_learns_more_than_chance(data):
    scorer = _scorer(training=dataclasses.replace(TRAINING, epochs=8)).fit(data)
    run = scorer.selection
    assert run.losses[-1] < run.losses[0] - 0.5
    assert max(run.scores) > 3 * 4.54 / data.n_items  # a random order's N@10: the sum of the ten discounts over N
    assert len(scorer.refitting.losses) == run.best_epoch


def test_sampled_negatives_learn_too(data):
    scorer = _scorer(training=dataclasses.replace(TRAINING, epochs=8, negatives=24)).fit(data)
    assert max(scorer.selection.scores) > 3 * 4.54 / data.n_items


def test_the_sampled_sum_estimates_the_sum_over_the_catalogue(data):
    scorer = _scorer().fit(data)
    train, _ = hold_out_last(data)
    rows = pack_for_training(train.histories, 16, 0).rows(slice(0, 8))
    scorer.network.eval()
    with torch.no_grad():
        whole = float(objective.step_loss(scorer.network, rows, 0, torch.Generator(), torch.float32))
        drawn = [float(objective.step_loss(scorer.network, rows, 60, torch.Generator().manual_seed(s), torch.float32)) for s in range(200)]
    assert np.mean(drawn) == pytest.approx(whole, abs=0.02)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(data):
    a, b, c = (_scorer(seed=s).fit(data).item_vectors() for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


class Stop(Exception):
    """Raised by the fake interruption below."""


@pytest.mark.parametrize(("stage", "at"), [("choosing when to stop", 0.5), ("training on everything", 0.7)])
def test_a_stopped_run_goes_on_to_the_same_model(data, tmp_path, stage, at):
    whole = _scorer().fit(data)

    def stop(name, done, total, note):
        if name == stage and done >= at * total:
            raise Stop

    with pytest.raises(Stop):
        _scorer().fit(data, checkpoint=tmp_path / "fit", progress=stop)
    steps = []
    resumed = _scorer().fit(data, checkpoint=tmp_path / "fit", resume=True, progress=lambda name, *_: steps.append(name))
    np.testing.assert_array_equal(resumed.item_vectors(), whole.item_vectors())
    assert resumed.selection.scores == whole.selection.scores
    fresh = []
    _scorer().fit(data, progress=lambda name, *_: fresh.append(name))
    assert len(steps) < len(fresh)


def test_a_checkpoint_of_other_settings_is_refused(data, tmp_path):
    _scorer().fit(data, checkpoint=tmp_path / "fit")
    with pytest.raises(ModelError, match="other data or settings"):
        _scorer(seed=5).fit(data, checkpoint=tmp_path / "fit", resume=True)


def test_a_broken_checkpoint_is_refused_and_none_is_no_fault(tmp_path):
    assert load_checkpoint(tmp_path / "none", "") is None
    (tmp_path / "broken").write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(tmp_path / "broken", "")
    save_checkpoint(tmp_path / "good", {"fingerprint": "f", "x": torch.ones(2)})
    assert load_checkpoint(tmp_path / "good", "f")["x"].tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_taking_apart_and_putting_together_changes_nothing(data):
    scorer = _scorer().fit(data)
    again = NetworkScorer.from_state(*scorer.state(), scorer.reader)
    np.testing.assert_array_equal(scorer.score(data.histories), again.score(data.histories))
    assert again.selection == scorer.selection


def test_items_added_later_are_scored_by_what_they_say(data):
    scorer = _scorer().fit(data)
    before = scorer.score(data.histories)
    scorer.add_items(data.items.head(3).with_columns(item_id="new" + data.items.head(3)["item_id"]))
    after = scorer.score(data.histories)
    assert after.shape == (data.n_users, data.n_items + 3)
    np.testing.assert_allclose(after[:, : data.n_items], before, atol=1e-5)
    again = NetworkScorer.from_state(*scorer.state(), scorer.reader)
    np.testing.assert_allclose(again.score(data.histories), after, atol=1e-6)
    # a copy of an item says the same but lacks its id vector
    assert not np.allclose(after[:, data.n_items :], before[:, :3])


def test_use_before_fit_is_refused(data):
    with pytest.raises(RuntimeError, match="not fitted"):
        _scorer().score(data.histories)
    with pytest.raises(RuntimeError, match="without a reader"):
        _scorer(dataclasses.replace(MODEL, senses=("id",))).fit(data).add_items(data.items.head(1))


def test_an_unfinished_validation_stops_early(data):
    scorer = _scorer(training=dataclasses.replace(TRAINING, epochs=40, patience=2, learning_rate=0.05)).fit(data)
    run = scorer.selection
    assert len(run.scores) < 40
    assert run.best_epoch == int(np.argmax(run.scores)) + 1
    assert len(run.scores) - run.best_epoch == 2


def test_only_target_events_are_learned(data):
    scorer = _scorer(target_events=("purchase",)).fit(data)
    mask = target_mask(data, scorer.target_events)
    kinds = np.array(data.event_names)[data.histories.events]
    np.testing.assert_array_equal(mask, kinds == "purchase")
    assert 0 < mask.sum() < len(mask)
    assert not np.allclose(scorer.item_vectors(), _scorer().fit(data).item_vectors())


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert choose_device("auto") == "cpu"
    with pytest.raises(SettingError, match="torch finds none"):
        choose_device("cuda")


def test_an_empty_history_is_answered_by_popularity(data):
    scorer = _scorer().fit(data)
    scores = scorer.score(Histories.from_lists([[], [3]]))
    np.testing.assert_allclose(scores[0], np.log1p(data.item_counts).astype(np.float32))
    np.testing.assert_allclose(scorer.score(Histories.from_lists([[3]]))[0], scores[1], atol=1e-5)


def test_a_validation_target_that_was_seen_is_no_question(data):
    again = data.with_histories(
        Histories.from_lists([[*row.tolist(), row[0]] if u % 2 else row.tolist() for u, row in enumerate(data.histories.rows())])
    )
    train, valid = hold_out_last(again)
    kept = new_targets(valid)
    assert kept.users.tolist() == [u for u in valid.users.tolist() if u % 2 == 0]
    all_seen = new_targets(valid[np.flatnonzero(valid.users % 2)])
    assert len(all_seen) == (valid.users % 2).sum()
    scorer = _scorer().fit(train, valid)
    assert max(scorer.selection.scores) > 3 * 4.54 / data.n_items


def test_an_aisle_smaller_than_the_list_gives_no_false_hits(data):
    train, valid = hold_out_last(data)
    scorer = _scorer().fit(train, valid)
    aisles = data.item_categories[valid.targets.items]
    inside = dataclasses.replace(valid, aisles=aisles)
    seen_by_aisle = scorer._validation_score(scorer.network, train, inside)
    assert seen_by_aisle > scorer._validation_score(scorer.network, train, valid)
    other = dataclasses.replace(valid, aisles=(aisles + 1) % len(data.categories))
    assert scorer._validation_score(scorer.network, train, other) == 0


def test_a_full_disk_during_a_checkpoint_is_one_line(data, tmp_path, monkeypatch):
    import pathlib

    real = pathlib.Path.open

    class FullDisk:
        """A fake file on a full disk."""

        def __enter__(self):
            return self

        def __exit__(self, *args):
            return False

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "open", lambda self, *a, **k: FullDisk() if self.suffix == ".tmp" else real(self, *a, **k))
    with pytest.raises(OutputError, match="cannot be written \\(No space left on device\\)"):
        save_checkpoint(tmp_path / "m" / "fit", {"fingerprint": ""})
    assert not (tmp_path / "m" / "fit").exists()
