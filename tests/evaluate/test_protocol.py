"""A trial: its figures against an independent count, what models are fitted on, and what is chosen on what."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, first_visit, leave_one_out
from crossaisle.encode.senses import Sense
from crossaisle.errors import RequestError, TableError
from crossaisle.evaluate.groups import question_table
from crossaisle.evaluate.looks import PROTOCOLS, look_at, make_split
from crossaisle.evaluate.models import BASELINE_NAMES, ModelSource, ShuffledReader, check_models, role
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.results import GROUPS, LIST_MEASURES, Results
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.schema import Floats, Ints
from crossaisle.testing import toy_dataset

SETTINGS = preset_settings(device="cpu")


class Fake:
    """A fake baseline: the score of an item follows from the history's length and last item; remembers what it was fitted on."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name, self.seed, self.fitted_on = name, seed, []

    def fit(self, data: Dataset) -> Self:
        self.fitted_on.append(data)
        self.n = data.n_items
        return self

    def row(self, history: Ints) -> np.ndarray:
        first = int(history[-1]) if len(history) else 0
        return ((np.arange(self.n) * 7919 + first * 31 + len(history) * 17 + self.seed) % 23).astype(np.float32)

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        rows = np.stack([self.row(h) for h in histories.rows()])
        return rows if candidates is None else rows[:, candidates]


class FakeNetwork(Fake):
    """A fake that stops by itself, as the network does."""

    def fit(self, data: Dataset, valid: Queries | None = None, full: Dataset | None = None) -> Self:  # type: ignore[override]
        self.asked = (data, valid, full)
        self.selection = SimpleNamespace(scores=[0.1, 0.7, 0.2], losses=[3.0, 2.0, 1.0], best_epoch=2)
        return super().fit(data)


class Knowing(Fake):
    """A fake that knows some answers: the targets of these questions stand first for their histories."""

    def __init__(self, name: str, questions: Queries) -> None:
        super().__init__(name)
        self.answers = {tuple(h): t for h, t in zip(questions.histories.rows(), questions.targets.rows(), strict=True)}

    def row(self, history: Ints) -> np.ndarray:
        scores = np.zeros(self.n, dtype=np.float32)
        scores[self.answers.get(tuple(history), [])] = 1.0
        return scores


def makes(*fakes: Fake) -> Callable[[str, AllSettings, int, Dataset], Any]:
    by_name = {f.name: f for f in fakes}
    return lambda name, settings, seed, data: by_name[name]


def run(data: Dataset, protocol: str, *fakes: Fake, **options: Any) -> Results:
    return evaluate(data, protocol=protocol, models=[f.name for f in fakes], settings=SETTINGS, make_scorer=makes(*fakes), **options)


def expected(
    fake: Fake, data: Dataset, queries: Queries, learned: Dataset, view: str, leave_seen: bool, k: int
) -> dict[int, tuple[float, float]]:
    """Recall and NDCG at k of each question asked in a view, counted in plain Python."""
    out = {}
    category = data.items["category"].to_list()
    trained = set(learned.histories.items.tolist())
    for q in range(len(queries)):
        history, targets = queries.histories.row(q).tolist(), set(queries.targets.row(q).tolist())
        if view == "aisle":
            pool = [i for i in range(data.n_items) if category[i] == data.categories[queries.aisles[q]]]
        elif view == "beyond":
            pool = [i for i in range(data.n_items) if category[i] not in {category[h] for h in history} | {""}]
        elif view == "among-new":
            pool = [i for i in range(data.n_items) if i not in trained]
        else:
            pool = list(range(data.n_items))
        if view in ("new-items", "among-new"):
            targets -= trained
        elif view == "known-items":
            targets &= trained
        if leave_seen:
            pool = [i for i in pool if i not in history]
            targets -= set(history)
        if not targets:
            continue
        scores = fake.row(queries.histories.row(q))
        ranked = sorted(pool, key=lambda i: (-scores[i], i))[:k]
        gain = sum(1 / math.log2(r + 2) for r, i in enumerate(ranked) if i in targets)
        best = sum(1 / math.log2(r + 2) for r in range(min(k, len(targets))))
        out[q] = (len(targets & set(ranked)) / len(targets), gain / best)
    return out


def repeated_toy() -> Dataset:
    """The toy shop, every history followed by its first half a week later: items are bought again, and one aisle is unknown."""
    data = toy_dataset(n_users=50)
    h = data.histories
    rows, times = [], []
    for b in range(len(h)):
        items, when = h.row(b), h.times[h.offsets[b] : h.offsets[b + 1]]
        rows.append([*items, *items[: len(items) // 2], *((items[:2] + 3) % 80)])
        times += [*when, *[when[-1] + 7 * 86_400] * (len(items) // 2 + 2)]
    again = Histories.from_lists(rows)
    items = data.items.with_columns(pl.when(pl.col("category") == "Music").then(pl.lit("")).otherwise(pl.col("category")).alias("category"))
    histories = Histories.from_arrays(again.offsets, again.items, times=np.array(times))
    return Dataset(items, data.users, histories)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("data", [toy_dataset(n_users=50), repeated_toy()], ids=["once", "again"])
@pytest.mark.parametrize("keep_seen", [False, True])
def test_figures_equal_an_independent_count(protocol: str, data: Dataset, keep_seen: bool) -> None:
    fake = Fake("popularity")
    aisle = "Garden" if protocol == "cold-aisle" else None
    results = run(data, protocol, fake, keep_seen=keep_seen, ks=(3, 10), aisle=aisle)
    split = make_split(protocol, data, 0, False, (), aisle)
    fixed = {rule.name: rule.leave_seen for rule in PROTOCOLS[protocol].views}
    for view in results.views:
        leave_seen = not keep_seen if fixed[view.name] is None else bool(fixed[view.name])
        learned = split.train
        for k in (3, 10):
            wanted = expected(fake, data, split.test, learned, view.name, leave_seen, k)
            got = results.per_query.filter(pl.col("view") == view.name)
            assert got["query"].to_list() == list(wanted)
            np.testing.assert_allclose(got[f"recall@{k}"], [v[0] for v in wanted.values()], atol=1e-6)
            np.testing.assert_allclose(got[f"ndcg@{k}"], [v[1] for v in wanted.values()], atol=1e-6)
            assert view.n == len(wanted)
            assert results.value(view.name, "popularity", f"ndcg@{k}") == pytest.approx(np.mean([v[1] for v in wanted.values()]))
            on_valid = expected(fake, data, split.valid, learned, view.name, leave_seen, 10)
            row = results.valid.filter(pl.col("view") == view.name)
            assert row["value"].to_list() == pytest.approx([np.mean([v[1] for v in on_valid.values()])])
    assert results.queries.height == len(split.test)


def test_summary_interval_lists_and_facts() -> None:
    data = toy_dataset()
    fake = Fake("popularity")
    vectors = np.eye(80, dtype=np.float32)
    results = run(data, "leave-one-out", fake, item_vectors=vectors, data_name="toy")
    row = results.summary.filter(pl.col("measure") == "ndcg@10").row(0, named=True)
    values = results.per_query["ndcg@10"].to_numpy().astype(np.float64)
    spread = values.std() / np.sqrt(len(values))
    assert row["low"] < row["value"] < row["high"]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert (row["seed_spread"], row["n"], row["role"]) == (None, 120, "baseline")
    of_lists = dict(results.lists.select("measure", "value").iter_rows())
    assert of_lists["intra_list_diversity"] == pytest.approx(1.0)  # orthogonal vectors
    assert 0 < of_lists["coverage"] <= 1
    assert 0 <= of_lists["gini"] < 1
    assert 0 < of_lists["category_entropy"] <= 2
    facts = results.facts
    assert (facts.data_name, facts.protocol, facts.seeds, facts.main_measure, facts.ks) == (
        "toy",
        "leave-one-out",
        (0,),
        "ndcg@10",
        (1, 5, 10, 20),
    )
    split = leave_one_out(data)
    assert facts.counts == {
        "users": 120,
        "items": 80,
        "aisles": 4,
        "events": len(data.histories.items),
        "train_events": len(split.train.histories.items),
        "full_events": len(split.full.histories.items),
        "valid_queries": 120,
        "test_queries": 120,
    }
    assert facts.choices[0] == "Items already seen are left out of the ranking."
    assert facts.settings == SETTINGS.to_dict()
    assert facts.minutes > 0
    assert facts.peak_memory_gb > 0
    assert facts.hardware["device"] == "cpu"
    assert results.models == ("popularity",)
    assert results.best_baseline("all") == "popularity"
    with pytest.raises(KeyError, match="0 figures for all, ease, ndcg@10"):
        results.value("all", "ease", "ndcg@10")


def test_sampled_negatives_are_of_the_aisle_new_and_the_same_for_all() -> None:
    data = repeated_toy()
    split = leave_one_out(data)
    fake = Fake("popularity")
    results = run(data, "leave-one-out", fake, Fake("ease"), sampled_negatives=7)
    assert [v.name for v in results.views] == ["all", "sampled"]
    # two models that score alike are measured alike: they met the same candidates
    raw = results.per_query.filter(pl.col("view") == "sampled")
    a, b = (raw.filter(pl.col("model") == m).drop("model") for m in ("popularity", "ease"))
    assert a.equals(b)
    looks = [look_at("leave-one-out", data, split.train, split.test, False, 7, seed)[1] for seed in (0, 0, 1)]
    drawn = [look.candidates for look in looks]
    assert drawn[0].items.tolist() == drawn[1].items.tolist() != drawn[2].items.tolist()  # type: ignore[union-attr]
    category = data.items["category"].to_list()
    figures = dict(a.select("query", "ndcg@10").iter_rows())
    for r, q in enumerate(looks[0].rows.tolist()):
        history, target = split.test.histories.row(q).tolist(), split.test.targets.row(q).tolist()
        candidates = drawn[0].row(r).tolist()  # type: ignore[union-attr]
        open_to = {i for i in range(data.n_items) if category[i] == category[target[0]]} - {*history, *target}
        assert len(set(candidates)) == len(candidates) == 1 + min(7, len(open_to))
        assert candidates[:1] == target
        assert set(candidates[1:]) <= open_to
        scores = fake.row(np.array(history))
        rank = sorted(candidates, key=lambda i: (-scores[i], i)).index(target[0]) + 1
        assert figures[q] == pytest.approx(1 / math.log2(rank + 1) if rank <= 10 else 0.0, abs=1e-6)
    aisles = results.groups.filter((pl.col("view") == "sampled") & (pl.col("group") == "aisle"))
    assert set(aisles["measure"]) == {"ndcg@10", "hit_rate@10"}
    assert aisles["level"].n_unique() > 1
    assert any("drawn uniformly without replacement with seed 0" in c for c in results.facts.choices)


# ---- what is fitted on what, and chosen on what ----


def same(a: Dataset, b: Dataset) -> bool:
    return a.histories.items.tolist() == b.histories.items.tolist() and a.histories.offsets.tolist() == b.histories.offsets.tolist()


def test_models_learn_from_train_and_with_refit_from_full() -> None:
    data = toy_dataset()
    split = leave_one_out(data)
    plain, network = Fake("popularity"), FakeNetwork("crossaisle")
    run(data, "leave-one-out", plain, network)
    assert [same(d, split.train) for d in plain.fitted_on] == [True]
    learned, valid, full = network.asked
    assert same(learned, split.train)
    assert full is None
    assert valid.targets.items.tolist() == split.valid.targets.items.tolist()
    again, network = Fake("popularity"), FakeNetwork("crossaisle")
    results = run(data, "leave-one-out", again, network, refit=True)
    assert [same(again.fitted_on[0], split.train), same(again.fitted_on[1], split.full)] == [True, True]
    assert same(network.asked[2], split.full)
    # the network's own validation figure is taken: it has seen those answers by now
    assert dict(results.valid.select("model", "value").iter_rows())["crossaisle"] == 0.7
    assert results.runs.filter(pl.col("model") == "crossaisle")["note"].to_list() == ["kept epoch 2 of 3"]
    assert any("fitted once more" in c for c in results.facts.choices)


def test_best_baseline_is_chosen_on_validation_alone() -> None:
    data = toy_dataset()
    split = leave_one_out(data)
    on_valid, on_test = Knowing("item-knn", split.valid), Knowing("ease", split.test)
    results = run(data, "leave-one-out", on_test, on_valid, Fake("crossaisle"))
    assert results.best_baseline("all") == "item-knn"
    assert results.value("all", "ease", "hit_rate@1") == 1.0
    best = dict(results.tests.select("baseline", "best").iter_rows())
    assert best == {"ease": False, "item-knn": True}
    test = results.tests.filter(pl.col("baseline") == "ease").row(0, named=True)
    assert test["difference"] == pytest.approx(results.value("all", "crossaisle", "ndcg@10") - 1.0)
    assert test["p"] < 0.01
    assert test["low"] <= test["difference"] <= test["high"] < 0


def test_without_validation_questions_no_baseline_is_called_best() -> None:
    rows = [[u % 7, 7 + u % 5] for u in range(20)]
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(12)], "category": ["x"] * 12})
    data = Dataset(items, pl.Series([f"u{u}" for u in range(20)]), Histories.from_lists(rows))
    network = FakeNetwork("crossaisle")
    results = run(data, "leave-one-out", Fake("ease"), network)
    assert results.valid.is_empty()
    assert results.best_baseline("all") is None
    assert results.tests["best"].to_list() == [False]
    assert network.asked[1] is None


def test_learning_curves_come_from_what_learns_by_epochs() -> None:
    network = FakeNetwork("crossaisle-words")
    network.refitting = SimpleNamespace(scores=[], losses=[2.5, 1.5])  # type: ignore[attr-defined]
    found = run(toy_dataset(), "leave-one-out", Fake("popularity"), network, refit=True).curves
    assert found.rows() == [
        ("crossaisle-words", 0, "choosing", 1, 3.0, 0.1),
        ("crossaisle-words", 0, "choosing", 2, 2.0, 0.7),
        ("crossaisle-words", 0, "choosing", 3, 1.0, 0.2),
        ("crossaisle-words", 0, "everything", 1, 2.5, None),
        ("crossaisle-words", 0, "everything", 2, 1.5, None),
    ]


def test_models_that_hold_chance_run_once_a_seed() -> None:
    data = toy_dataset()
    made = []

    def make(name: str, settings: AllSettings, seed: int, data: Dataset) -> Fake:
        made.append((name, seed))
        return Fake(name, seed)

    results = evaluate(
        data, protocol="leave-one-out", models=["ease", "crossaisle", "sasrec"], settings=SETTINGS, seeds=3, make_scorer=make
    )
    assert made == [("ease", 0), *(("crossaisle", s) for s in range(3)), *(("sasrec", s) for s in range(3))]
    raw = results.per_query.filter(pl.col("model") == "crossaisle").group_by("seed", maintain_order=True).agg(pl.col("ndcg@10").mean())
    row = results.summary.filter((pl.col("model") == "crossaisle") & (pl.col("measure") == "ndcg@10")).row(0, named=True)
    assert row["value"] == pytest.approx(raw["ndcg@10"].mean(), abs=1e-6)
    assert row["seed_spread"] == pytest.approx(raw["ndcg@10"].std(), abs=1e-6)
    assert results.runs["role"].to_list() == ["baseline", *["ours"] * 3, *["baseline"] * 3]
    assert (results.facts.seeds, results.runs["seed"].to_list()) == ((0, 1, 2), [0, 0, 1, 2, 0, 1, 2])


def test_a_baseline_that_cannot_run_is_named_with_its_reason() -> None:
    class TooLarge(Fake):
        def fit(self, data: Dataset) -> Self:
            raise RequestError("ease: 40,000 items", "at most 30,000", "leave it out")

    results = run(toy_dataset(), "leave-one-out", TooLarge("ease"), Fake("popularity"))
    assert results.facts.skipped == {"ease": "ease: 40,000 items"}
    assert results.models == ("popularity",)
    with pytest.raises(RequestError, match="no model could run: ease: 40,000 items; expected a model that fits this data"):
        run(toy_dataset(), "leave-one-out", TooLarge("ease"))
    with pytest.raises(RequestError, match="ease: 40,000 items"):
        run(toy_dataset(), "leave-one-out", TooLarge("crossaisle"))


def test_examples_show_what_ours_answered() -> None:
    data = toy_dataset()
    split = leave_one_out(data)
    results = run(data, "leave-one-out", Fake("ease"), Knowing("crossaisle", split.test))
    shown = results.examples
    assert (shown["query"].n_unique(), shown.height, set(shown["model"])) == (5, 50, {"crossaisle"})
    assert shown.filter(pl.col("hit"))["rank"].to_list() == [1] * 5
    for row in shown.filter(pl.col("rank") == 1).iter_rows(named=True):
        question = results.queries.row(row["query"], named=True)
        assert question["targets"] == [row["item_id"]]
        assert question["user_id"] == row["user_id"]


def test_progress_tells_of_models_and_questions() -> None:
    told: list[tuple[str, int, int, str]] = []
    run(toy_dataset(), "leave-one-out", Fake("ease"), progress=lambda *what: told.append(what))
    assert told[0] == ("comparing models", 0, 1, "ease")
    assert ("asking ease", 120, 120, "") in told
    assert told[-1] == ("comparing models", 1, 1, "")


def test_a_split_made_elsewhere_is_used() -> None:
    data = toy_dataset()
    split = first_visit(data, valid_share=0.5, seed=4)
    results = run(data, "first-visit", Fake("ease"), split=split)
    assert results.facts.counts["test_queries"] == len(split.test)
    assert {v.name for v in results.views} == {"aisle", "beyond"}


# ---- groups ----


def test_groups_by_hand() -> None:
    day = 86_400.0
    items = pl.DataFrame({"item_id": ["c", "b", "a", "d"], "category": ["x", "x", "y", "y"]})
    rows = [[1, 0, 2, 3], [1, 0, 1, 0, 2], [1, 2, 0]]
    times = [0.0, 1.0, day + 5, day + 9, 0, day, 2 * day, 3 * day, 4 * day, 0, 1, np.nan]
    h = Histories.from_lists(rows)
    data = Dataset(items, pl.Series(["u", "v", "w"]), Histories.from_arrays(h.offsets, h.items, times=np.array(times)))
    split = leave_one_out(data)
    # learned from: [1, 0], [1, 0, 1], [1]; so item 1 has 4 events, item 0 has 2, and 1 -> 0, 0 -> 1 are the steps
    table = question_table("leave-one-out", data, split.train, split.test)
    assert table["targets"].to_list() == [["d"], ["a"], ["c"]]
    assert table["aisle"].to_list() == ["y", "y", "x"]
    assert table["history"].to_list() == ["2-4", "2-4", "2-4"]
    assert table["target-count"].to_list() == ["0", "0", "1-5"]
    assert table["target-popularity"].to_list() == ["never seen", "never seen", "tail"]
    assert table["graph-step"].to_list() == ["farther", "farther", "farther"]
    # target and item before it: d after a, a after c, c after a
    assert table["id-order"].to_list() == ["above", "below", "above"]
    assert table["same-day"].to_list() == ["same day", "another day", "unknown"]
    assert table["time"].to_list() == [day + 9, 4 * day, None]
    step = Queries(split.test.users[:1], Histories.from_lists([[2, 1]]), Histories.from_lists([[0]]), np.array([-1]), np.array([np.nan]))
    assert question_table("cold-user", data, split.train, step)["graph-step"].to_list() == ["one step"]
    assert "id-order" not in question_table("cold-user", data, split.train, step).columns
    assert "graph-step" not in question_table("next-basket", data, split.train, step).columns


def test_groups_table_holds_the_means_of_its_questions() -> None:
    data = toy_dataset()
    results = run(data, "leave-one-out", Fake("ease"), ks=(10,))
    raw = results.per_query.join(results.queries, on="query")
    for row in results.groups.iter_rows(named=True):
        part = raw.filter((pl.col("model") == row["model"]) & (pl.col(row["group"]) == row["level"]))
        assert row["n"] == part.height > 0
        assert row["value"] == pytest.approx(part[row["measure"]].mean(), abs=1e-6)
        assert row["low"] <= row["value"] + 1e-9
        assert row["value"] - 1e-9 <= row["high"]
    for group in set(results.groups["group"]):
        rows = results.groups.filter((pl.col("group") == group) & (pl.col("model") == "ease") & (pl.col("measure") == "ndcg@10"))
        assert rows["n"].sum() == 120
        levels = rows.sort("order")["level"].to_list()
        assert levels == [x for x in GROUPS[group] if x in levels] if GROUPS[group] else levels == sorted(levels)
    assert set(results.groups["group"]) == set(GROUPS)


def test_results_refuse_a_table_of_other_columns() -> None:
    results = run(toy_dataset(), "leave-one-out", Fake("ease"))
    fields = {name: getattr(results, name) for name in results.__dataclass_fields__}
    with pytest.raises(ValueError, match="results table lists has the columns"):
        Results(**{**fields, "lists": fields["lists"].drop("k")})


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "leave-two-out"}, "unknown protocol 'leave-two-out'; expected a known protocol, the nearest is 'leave-one-out'"),
        ({"models": ["item-kn"]}, "unknown model 'item-kn'; expected a known model, the nearest is 'item-knn'"),
        ({"models": ["crossaisle-photos"]}, "unknown model 'crossaisle-photos'"),
        ({"models": []}, "no model to compare; expected at least one"),
        ({"models": [], "make_scorer": makes()}, "no model to compare; expected at least one"),
        ({"seeds": 0}, "0 seeds; expected a whole number of at least 1"),
        ({"ks": (0, 5)}, "k = 0, 5; expected whole numbers of at least 1"),
        ({"ks": ()}, "k = nothing; expected whole numbers"),
        ({"protocol": "cold-user", "shuffle_ties": True}, "ties cannot be shuffled in cold-user; expected leave-one-out"),
        ({"protocol": "cold-user", "aisle": "Garden"}, "an aisle is named for cold-user; expected cold-aisle; next: leave --aisle out"),
        ({"protocol": "time-split", "sampled_negatives": 9}, "9 sampled negatives in time-split; expected a number above 0, in leave-one"),
        ({"sampled_negatives": -1}, "-1 sampled negatives in leave-one-out; expected a number above 0"),
        ({"protocol": "cold-aisle"}, "no aisle is named for cold-aisle; expected the aisle that is to be new; next: write --aisle NAME"),
        (
            {"protocol": "cold-aisle", "aisle": "Gardn"},
            "no aisle 'Gardn' in the data; expected an aisle of the items table, the nearest is",
        ),
    ],
)
def test_bad_requests(options: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"protocol": "leave-one-out", "models": ["popularity"], "settings": SETTINGS}
    with pytest.raises(RequestError) as caught:
        evaluate(toy_dataset(), **{**usual, **options})
    assert message in str(caught.value)


def test_every_target_bought_before() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "category": ["x", "x"]})
    data = Dataset(items, pl.Series(["u", "v"]), Histories.from_lists([[0, 0, 0], [1, 1]]))
    with pytest.raises(RequestError, match="every target is an item of its own history"):
        run(data, "leave-one-out", Fake("ease"))
    assert run(data, "leave-one-out", Fake("ease"), keep_seen=True).views[0].n == 2


def test_the_splits_own_errors_come_through() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "category": ["x", "x"]})
    data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 1]]))
    with pytest.raises(TableError, match="no user goes from one aisle to another"):
        run(data, "first-visit", Fake("ease"))
    with pytest.raises(TableError, match="no interaction has a timestamp"):
        run(data, "time-split", Fake("ease"))


# ---- the models themselves ----


def test_names_and_roles() -> None:
    assert check_models(["ials", "crossaisle-text", "crossaisle-ids-text", "ials"]) == ("ials", "crossaisle-text", "crossaisle-ids-text")
    assert [role(n) for n in ("crossaisle", "crossaisle-shuffled-text", "sasrec", "ease")] == ["ours", "control", "baseline", "baseline"]
    with pytest.raises(RequestError, match="unknown model 'crossaisle-ids-ids'"):
        check_models(["crossaisle-ids-ids"])


def test_shuffled_reader_hands_items_each_others_senses() -> None:
    class FakeReader:
        note = "fake"

        def fit(self, items: pl.DataFrame) -> Self:
            return self

        def read(self, items: pl.DataFrame, progress: Any = None) -> dict[str, Sense]:
            n = items.height
            return {
                "text": Sense(np.arange(n, dtype=np.float32)[:, None], np.ones(n, bool)),
                "words": Sense(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % 2 == 0),
            }

    items = toy_dataset().items
    senses = ShuffledReader(FakeReader(), seed=1).fit(items).read(items)
    order = senses["text"].values[:, 0].astype(int)
    assert sorted(order) == list(range(80)) != order.tolist()
    assert senses["words"].values[:, 0].astype(int).tolist() == order.tolist()
    assert senses["words"].present.tolist() == (order % 2 == 0).tolist()
    assert "shuffled" in ShuffledReader(FakeReader(), seed=1).note


def test_source_makes_networks_of_the_named_senses() -> None:
    data = toy_dataset()
    source = ModelSource(data, SETTINGS)
    for name, senses in {
        "sasrec": ("id",),
        "crossaisle-ids": ("id",),
        "crossaisle-words": ("words",),
        "crossaisle-ids-text": ("id", "text"),
        "crossaisle": ("id", "text", "words"),
        "crossaisle-shuffled-text": ("id", "text", "words"),
    }.items():
        made: Any = source.make(name, SETTINGS, 3, data)
        scorer = made if name == "sasrec" else made.net
        assert (scorer.name, scorer.model.senses, scorer.seed) == (name, senses, 3)
        assert (scorer.reader is None) == (senses == ("id",))
        assert isinstance(scorer.reader, ShuffledReader) == (name == "crossaisle-shuffled-text")


def test_what_knows_items_by_their_id_is_off_where_ids_are() -> None:
    data = toy_dataset()
    made: Any = ModelSource(data, SETTINGS).make("crossaisle-words", SETTINGS, 0, data)
    assert "markov" not in made.blend.parts
    assert (made.across.ids, made.across.factors, made.across.borrow) == (0.0, 0.0, 0.0)
    alone: Any = ModelSource(data, SETTINGS).make("crossaisle-network", SETTINGS, 0, data)
    assert (alone.blend.parts, alone.across.on) == ((), False)
    without: Any = ModelSource(data, SETTINGS).make("crossaisle-without-ridge", SETTINGS, 0, data)
    assert (without.blend.parts, without.across.on) == (SETTINGS.blend.parts, False)


def test_a_catalogue_without_text_has_no_text_vectors() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "category": ["", ""], "title": ["", ""]})
    data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 1]]))
    assert ModelSource(data, SETTINGS).text_vectors is None


def test_every_baseline_can_be_made_and_last_month_joins_where_time_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy_dataset(n_users=60)
    vectors = np.random.default_rng(0).standard_normal((80, 8)).astype(np.float32)
    monkeypatch.setattr(ModelSource, "text_vectors", vectors)  # no language model is needed here
    names = [n for n in BASELINE_NAMES if n != "popularity-month"]
    results = evaluate(data, protocol="time-split", models=names, settings=SETTINGS)
    assert results.models == ("popularity-month", *names)
    assert set(results.lists["measure"]) == set(LIST_MEASURES)
    assert set(results.runs["role"]) == {"baseline"}
    assert evaluate(data, protocol="cold-user", models=["popularity"], settings=SETTINGS).models == ("popularity",)


def test_real_models_run_under_every_protocol() -> None:
    data = toy_dataset(n_users=80)
    small = {
        "model.dim": "16",
        "model.heads": "2",
        "model.blocks": "1",
        "model.window": "16",
        "train.epochs": "2",
        "train.tokens_per_step": "256",
    }
    settings = preset_settings("quick", small, device="cpu")
    for protocol in ("leave-one-out", "next-basket", "cold-item"):
        make = ModelSource(data, settings).make
        names = ["popularity-month", "sasrec", "crossaisle-words"]
        results = evaluate(data, protocol=protocol, models=names, settings=settings, make_scorer=make, refit=protocol == "leave-one-out")
        assert results.models == tuple(names)
        assert results.summary["value"].is_between(0, 1).all()
        assert results.per_query.null_count().sum_horizontal().item() == 0
        assert not results.valid.is_empty()
