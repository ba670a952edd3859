"""An intervened trial: the natural views stay what they are, popular targets lose their lead in the others."""

from __future__ import annotations

import dataclasses
import html
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from crossaisle.cli.main import run as cli
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, leave_one_out
from crossaisle.errors import RequestError
from crossaisle.evaluate.looks import PROTOCOLS
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.report import write_report
from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.results import LOG_POPULARITY, Results
from crossaisle.evaluate.summary import summary_rows
from crossaisle.metrics import mean_log_popularity
from crossaisle.presets import preset_settings
from crossaisle.schema import Floats, Ints
from crossaisle.testing import toy_dataset

SETTINGS = preset_settings(device="cpu")


class Counting:
    """A fake baseline: how often an item was chosen, upside down if asked for; remembers by what it was to choose."""

    def __init__(self, name: str) -> None:
        self.name, self.sign = name, -1.0 if name == "down" else 1.0
        self.valid: Queries | None = None

    def fit(self, data: Dataset, valid: Queries | None = None) -> Counting:
        self.valid, self.counts = valid, data.item_counts
        self.scores = (self.sign * data.item_counts).astype(np.float32)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        return np.tile(self.scores if candidates is None else self.scores[candidates], (len(histories), 1))


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The toy shop, and many who take one of eight items, whatever came before."""
    toy = toy_dataset(n_users=600, n_items=48)
    rng = np.random.default_rng(0)
    popular = np.arange(48) < 8
    items = np.where(rng.random(len(toy.histories.items)) < 0.5, rng.integers(0, 8, len(toy.histories.items)), toy.histories.items)
    assert np.bincount(items, minlength=48)[popular].min() > 3 * np.bincount(items, minlength=48)[~popular].max()
    return toy.with_histories(dataclasses.replace(toy.histories, items=items))


def run(data: Dataset, protocol: str, *fakes: Counting, **options: Any) -> Results:
    by_name = {f.name: f for f in fakes}
    return evaluate(
        data,
        protocol=protocol,
        models=list(by_name),
        settings=SETTINGS,
        make_scorer=lambda name, *_: by_name[name],  # type: ignore[arg-type, return-value]
        **options,
    )


def test_natural_views_are_untouched_and_popularity_loses_its_lead(data: Dataset) -> None:
    plain = run(data, "leave-one-out", Counting("up"), Counting("down"))
    up = Counting("up")
    both = run(data, "leave-one-out", up, Counting("down"), intervened=True)
    assert [v.name for v in both.views] == ["all", "all-intervened"]
    natural = both.summary.filter(pl.col("view") == "all")
    assert natural.select("model", "measure", "value").equals(plain.summary.select("model", "measure", "value"))
    lead = {v: both.value(v, "up", "ndcg@10") - both.value(v, "down", "ndcg@10") for v in ("all", "all-intervened")}
    assert lead["all-intervened"] < 0.5 * lead["all"]

    # the questions of the new view are some of the natural ones, and their targets far rarer
    raw = both.per_query.filter(pl.col("model") == "up")
    asked = {view: raw.filter(pl.col("view") == view)["query"].to_numpy() for view in ("all", "all-intervened")}
    assert set(asked["all-intervened"]) < set(asked["all"])
    split = leave_one_out(data, 0, False, ())
    log_m = np.log1p(split.train.item_counts[split.test.targets.items])
    assert log_m[asked["all-intervened"]].mean() < log_m[asked["all"]].mean() - 0.3

    # so are those that a model chooses by
    assert up.valid is not None
    assert 0 < len(up.valid) < len(split.valid)
    assert np.log1p(up.counts[up.valid.targets.items]).mean() < np.log1p(up.counts[split.valid.targets.items]).mean() - 0.3
    assert both.valid.filter(pl.col("view") == "all-intervened").height == 2
    assert LOG_POPULARITY not in plain.lists["measure"]


def test_the_popularity_of_what_is_recommended_stands_beside(data: Dataset) -> None:
    both = run(data, "leave-one-out", Counting("up"), Counting("down"), intervened=True, keep_seen=True)
    found = {
        (view, model): value
        for view, model, value in both.lists.filter(pl.col("measure") == LOG_POPULARITY).select("view", "model", "value").iter_rows()
    }
    n = leave_one_out(data, 0, False, ()).train.item_counts
    assert found["all", "up"] == found["all-intervened", "up"] == pytest.approx(np.log1p(np.sort(n)[-10:]).mean())
    assert found["all", "down"] == pytest.approx(np.log1p(np.sort(n)[:10]).mean())
    assert mean_log_popularity(np.full((2, 3), -1), n) == 0


def test_the_terminal_has_it_beside_the_measure(data: Dataset) -> None:
    row = summary_rows(run(data, "leave-one-out", Counting("up"), intervened=True), "all-intervened")[0]
    assert {"ndcg@10", "coverage@10", "log_popularity@10"} < set(row)
    assert "coverage@10" not in summary_rows(run(data, "leave-one-out", Counting("up")), "all")[0]


def test_the_option_reaches_the_trial(data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h = data.histories
    table = tmp_path / "interactions.csv"
    pl.DataFrame({"user_id": data.users.gather(h.owners), "item_id": data.items["item_id"].gather(h.items)}).write_csv(table)
    argv = ["evaluate", "--interactions", str(table), "--out", str(tmp_path / "r"), "--intervened"]
    assert cli([*argv, "--models", "popularity", "--protocol", "next-basket"]) == 2
    assert "cannot be asked for evenly" in capsys.readouterr().err
    assert cli([*argv, "--transfer"]) == 2
    assert "--intervened" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", [name for name, p in PROTOCOLS.items() if p.flattens])
def test_every_protocol_that_can_is_told_in_both_languages(data: Dataset, protocol: str, tmp_path: Path) -> None:
    trial = run(data, protocol, Counting("up"), Counting("down"), intervened=True, refit=True)
    assert sum(v.name.endswith("-intervened") for v in trial.views) == len(trial.views) // 2
    for lang, said in (("en", "Log-popularity"), ("zh", "对数热度")):
        page = write_report(trial, tmp_path / lang, lang).read_text(encoding="utf-8")
        assert said in page
        for view in trial.views:
            assert Words(lang).name(view.name) in html.unescape(page)
    for english in (*trial.facts.choices, *(v.note for v in trial.views)):
        assert Words("zh").sentence(english).isascii() is False


@pytest.mark.parametrize("protocol", [name for name, p in PROTOCOLS.items() if not p.flattens])
def test_the_others_refuse(data: Dataset, protocol: str) -> None:
    with pytest.raises(RequestError, match="cannot be asked for evenly"):
        run(data, protocol, Counting("up"), intervened=True)
