"""A trial under attack: arithmetic by hand, a model that comes back as it was, and people who are added without disturbing others."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from crossaisle.attack.shilling import copied_users, fake_profiles
from crossaisle.attack.vectors import random_directions, shifted
from crossaisle.cli.main import run
from crossaisle.data.build import DataSettings
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.evaluate.attack import under_attack
from crossaisle.evaluate.attack.asking import ask, compared
from crossaisle.evaluate.attack.gradient import worst_directions
from crossaisle.evaluate.attack.people import detection, interactions_of, with_people
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.schema import Floats, Ints
from crossaisle.scorers import blend_scorer
from crossaisle.testing import toy_dataset
from small_shop import everything_in, shop_interactions, shop_items

sys.path.insert(0, str(Path(__file__).parents[1] / "encode"))
from media_cases import picture, saved, write_fake_vit

SMALL = {
    "model.senses": "id,words",
    "model.dim": "16",
    "model.heads": "2",
    "model.window": "16",
    "train.epochs": "2",
    "train.tokens_per_step": "256",
    "across.on": "false",
    "blend.parts": "markov,word-knn",
}


def settings(**changes: str) -> AllSettings:
    return preset_settings("quick", {**SMALL, **{f"attack.{k}": v for k, v in changes.items()}})


class Falling:
    """A fake whose scores fall from item 0 on, the same for everybody."""

    name = "fake"

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def fit(self, data: Dataset) -> Falling:
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        return np.repeat(-np.arange(self.n_items, dtype=np.float32)[None], len(histories), axis=0)


def questions(histories: list[list[int]], targets: list[list[int]]) -> Queries:
    n = len(histories)
    return Queries(np.arange(n), Histories.from_lists(histories), Histories.from_lists(targets), np.full(n, -1), np.full(n, np.nan))


def test_answers_by_hand() -> None:
    asked = questions([[0, 1], [5], [12]], [[2], [16], [12 + 1]])
    found = ask(Falling(20), asked, 20, watched=[2, 5, 11])
    assert found.top[0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert found.ndcg.tolist() == [1.0, 0.0, 0.0]
    assert found.hit_rate.tolist() == [1.0, 0.0, 0.0]
    # item 2 is the answer of the first, item 5 is had by the second
    np.testing.assert_array_equal(found.ranks, [[np.nan, 4, 10], [3, np.nan, 11], [3, 6, 12]])
    np.testing.assert_allclose(found.hits(), [1.0, 1.0, 1 / 3])
    np.testing.assert_allclose(found.mean_ranks(), [3, 5, 11])
    row = compared("none", 0.0, found, found, seed=0)
    assert (row.ndcg.value, row.change.value, row.relative, row.overlap) == (pytest.approx(1 / 3), 0.0, 0.0, 1.0)
    worse = dataclasses.replace(found, ndcg=found.ndcg / 2, top=np.roll(found.top, 5, axis=1) + np.array([0] * 5 + [20] * 5))
    row = compared("half", 0.5, found, worse, seed=0)
    assert row.relative == pytest.approx(-0.5)
    assert row.overlap == pytest.approx(0.5)


def test_fewer_items_than_a_list_holds() -> None:
    found = ask(Falling(4), questions([[0]], [[3]]), 4)
    assert found.top[0].tolist() == [1, 2, 3] + [-1] * 7
    assert compared("none", 0.0, found, found, 0).overlap == 1.0


def test_people_are_added_at_the_end_and_nothing_else_changes() -> None:
    data = toy_dataset(n_users=30)
    rows = interactions_of(data)
    assert rows.height == len(data.histories.items)
    fakes = fake_profiles(rows, ["item0007"], share=0.1, seed=1)
    more = with_people(data, fakes)
    assert more.n_users == 33
    for name in ("items", "events", "weights", "times"):
        assert np.array_equal(getattr(more.histories[:30], name), getattr(data.histories, name))
    assert [more.histories.row(u)[-1] for u in (30, 31, 32)] == [data.item_codes["item0007"]] * 3
    copies = with_people(data, copied_users(rows, share=0.1, seed=1))
    known = [
        (r.tolist(), t.tolist())
        for r, t in zip(data.histories.rows(), np.split(data.histories.times, data.histories.offsets[1:-1]), strict=True)
    ]
    for u in range(30, 33):
        one = copies.histories[np.array([u])]
        assert (one.items.tolist(), one.times.tolist()) in known


def test_detection_counts_by_hand() -> None:
    data = toy_dataset(n_users=200)
    row = detection(data, 190, "random", 0.05, [3], DataSettings(shilling_threshold=-0.0))
    assert row.flagged == round(row.recall * 10 + row.false_positive_rate * 190)
    assert row.precision == pytest.approx(row.recall * 10 / row.flagged)
    assert 0 <= row.auc <= 1
    clean = detection(data, 200, "none", 0.0, [], DataSettings())
    assert np.isnan(clean.recall)
    assert np.isnan(clean.auc)


def test_the_gradient_hurts_more_than_chance_and_the_model_comes_back() -> None:
    data, valid = hold_out_last(toy_dataset(n_users=150))
    scorer = blend_scorer(settings()).fit(data, valid)
    net, before = scorer.net, scorer.score(valid.histories)
    assert net.network is not None
    parameters = {k: v.clone() for k, v in net.network.state_dict().items()}
    raw = net.raw_vectors().cpu().numpy().copy()

    def loss(vectors: Floats) -> float:
        net.use_vectors(torch.from_numpy(vectors))
        scores = net.score(valid.histories).astype(np.float64)
        top = scores - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True)) - scores.max(1, keepdims=True)
        return -float(top[np.arange(len(valid)), valid.targets.items].sum())

    directions = worst_directions(net, valid)
    clean, worst = loss(raw), loss(shifted(raw, directions, 0.1))
    chance = [loss(shifted(raw, random_directions(raw, s), 0.1)) for s in range(3)]
    assert worst > max(chance)
    assert worst > clean
    step = 1e-3 * np.abs(raw).mean() / np.abs(directions).max()
    risen = loss(raw + step * directions) - loss(raw - step * directions)
    assert risen == pytest.approx(2 * step * float((directions.astype(np.float64) ** 2).sum()), rel=0.05)
    net.use_vectors(None)
    assert np.array_equal(scorer.score(valid.histories), before)
    for name, value in net.network.state_dict().items():
        assert torch.equal(value, parameters[name])


def test_a_whole_trial_and_its_defence() -> None:
    data = toy_dataset(n_users=300)
    kinds = {"vectors": "0.001,0.5", "typos": "0.3", "homoglyphs": "1", "words": "0.5", "cut": "0.9", "shares": "0.05", "targets": "3"}
    report = under_attack(data, settings(**kinds))
    rows = {(r.attack, r.level): r for r in report.rows}
    assert [r.attack for r in report.rows] == [
        "none",
        *["vectors, random"] * 2,
        *["vectors, gradient"] * 2,
        "typos",
        "homoglyphs",
        "words",
        "cut",
    ]
    clean = rows["none", 0.0]
    assert abs(rows["vectors, random", 0.001].change.value) < 0.01
    assert rows["vectors, gradient", 0.5].ndcg.value < min(clean.ndcg.value, rows["vectors, random", 0.5].ndcg.value)
    assert rows["typos", 0.3].overlap < 1
    for row in report.rows:
        assert row.change.value == pytest.approx(row.ndcg.value - clean.ndcg.value)
        assert row.change.low <= row.change.value <= row.change.high
    (pushed,) = report.shilling
    assert pushed.people == 15
    assert pushed.pushed > pushed.copied
    assert pushed.gain.value == pytest.approx(pushed.pushed - pushed.copied)
    assert pushed.gain.value > pushed.others.value
    assert pushed.climb.low <= pushed.climb.value <= pushed.climb.high
    assert pushed.climb.value > pushed.others_climb.value
    assert pushed.rank_pushed < pushed.rank_copied
    assert [d.filler for d in report.detection] == ["none", "bandwagon"]
    assert len(report.pushed_items) == 3
    assert "were not measured" in report.notes[0]
    assert json.dumps(report.to_dict())
    assert list(report.answers) == [f"{r.attack} {r.level:g}" for r in report.rows]
    for row in report.rows:
        assert report.answers[f"{row.attack} {row.level:g}"].mean() == pytest.approx(row.ndcg.value)
    assert report.climbs["bandwagon 0.05"].shape == (3,)
    assert report.climbs["bandwagon 0.05"].mean() == pytest.approx(pushed.climb.value)


def test_nothing_to_read_is_said_and_not_measured() -> None:
    report = under_attack(toy_dataset(n_users=60), settings(kinds="texts,photos").changed({"model.senses": "id", "blend.parts": "markov"}))
    assert [r.attack for r in report.rows] == ["none"]
    assert len(report.notes) == 2


def test_the_command(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    small = [w for k, v in SMALL.items() for w in ("--set", f"{k}={v}")]
    tables = ["attack", "--interactions", "interactions.csv", "--items", "items.csv"]
    assert run([*tables, "--out", "hit", "--attacks", "texts,shilling", *small, "--json"]) == 0
    said: dict[str, Any] = json.loads(capfd.readouterr().out)
    kept = json.loads((shop / "hit" / "report.json").read_text())
    assert kept["rows"] == said["rows"]
    assert {r["attack"] for r in kept["rows"]} == {"none", "typos", "homoglyphs", "words", "cut"}
    assert kept["facts"]["settings"]["attack"]["kinds"] == ["texts", "shilling"]
    assert kept["detection"][0]["auc"] is None
    assert run([*tables, "--out", "hit", "--attacks", "vectors,shilling", *small]) == 0
    out = capfd.readouterr().out
    assert "vectors, gradient" in out
    assert "pushed by made-up people" in out
    assert "report: hit/report.json" in out
    assert run([*tables, "--out", "hit", "--attacks", "shilling", *small, "--lang", "zh"]) == 0
    out = capfd.readouterr().out
    assert "在训练数据中找到的虚假用户" in out
    assert "召回率" in out

    before = everything_in(shop)
    for more, part in (
        (["--attacks", "text"], "attack.kinds names 'text'"),
        (["--set", "attack.typos=2"], "attack.typos holds '2'"),
        (["--interactions", "gone.csv"], "gone.csv"),
    ):
        assert run([*tables, "--out", "other", *more]) == 2
        err = capfd.readouterr().err
        assert part in err
        assert err.count("\n") == 1
    assert everything_in(shop) == before


def test_photos_are_read_again_with_noise(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    monkeypatch.setenv("CROSSAISLE_CACHE", str(shop / "cache"))
    write_fake_vit(shop / "fake-random-vit")
    items = shop_items().with_columns((pl.col("item_id") + ".png").alias("image"))
    (shop / "media").mkdir()
    for n, name in enumerate(items["image"]):
        (shop / "media" / name).write_bytes(saved(picture(n)))
    data = Dataset.from_frames(shop_interactions(), items, media=shop / "media")
    asked = settings(kinds="photos", gaussian="0.2", jpeg="5").changed({"model.senses": "id,image", "media.image_model": "fake-random-vit"})
    before = everything_in(shop / "media")
    report = under_attack(data, asked)
    assert [(r.attack, r.level) for r in report.rows] == [("none", 0.0), ("gaussian", 0.2), ("jpeg", 5.0)]
    assert report.notes == ()
    assert everything_in(shop / "media") == before
    assert min(r.overlap for r in report.rows[1:]) < 1
