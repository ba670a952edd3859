"""The transfer scoreboard: questions that leak nothing, arms that know no more than they may, arithmetic against counting by hand."""

from __future__ import annotations

import dataclasses
import gc
import json
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from crossaisle.cli.main import run
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError, TableError
from crossaisle.evaluate.report import html, markdown, plots
from crossaisle.evaluate.report.blocks import Cell, Row, Table
from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.transfer import TransferResults, arms, transfer, write_transfer
from crossaisle.evaluate.transfer.arms import cut, learnable, matched, quality
from crossaisle.evaluate.transfer.questions import one_aisle_each
from crossaisle.evaluate.transfer.scores import compare
from crossaisle.evaluate.transfer.wording import TEXTS
from crossaisle.presets import AllSettings
from crossaisle.schema import Floats, Ints
from crossaisle.testing import toy_dataset
from small_shop import everything_in, shop_interactions, shop_items

KEY = "train.id_weight_decay"


def small(rows: list[list[int]], aisles: str, **columns: Any) -> Dataset:
    """Items 0..n in the aisles named by one letter each, "-" for none; one history a row."""
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(aisles))], "category": ["" if a == "-" else a for a in aisles]})
    return Dataset(items, pl.Series("user_id", [f"u{n}" for n in range(len(rows))]), Histories.from_lists(rows), **columns)


class FakeInOrder:
    """A fake that learns nothing: the catalogue in its order, backwards where ``backwards`` says so of its settings and catalogue."""

    name = "fake"
    alive: ClassVar[weakref.WeakSet[FakeInOrder]] = weakref.WeakSet()
    most_alive = 0
    fits = 0

    def __init__(self, settings: AllSettings, backwards: Callable[[AllSettings, Dataset], bool] = lambda s, d: False) -> None:
        self.settings, self.backwards = settings, backwards

    def fit(self, data: Dataset, valid: Any = None, progress: Any = None) -> FakeInOrder:
        gc.collect()
        FakeInOrder.alive.add(self)
        FakeInOrder.most_alive = max(FakeInOrder.most_alive, len(FakeInOrder.alive))
        FakeInOrder.fits += 1
        self.n, self.turned = data.n_items, self.backwards(self.settings, data)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        order = np.arange(self.n, dtype=np.float32)
        return np.tile(order if self.turned else -order, (len(histories), 1))


def in_order_by_hand(data: Dataset, aisle: str, seed: int, turned: bool, kind: str = "test") -> list[float]:
    """N@10 of `FakeInOrder` on the questions of an aisle, question by question."""
    questions = getattr(one_aisle_each(data, seed), kind)
    names = data.items["category"].to_list()
    out = []
    for q in range(len(questions)):
        if data.categories[questions.aisles[q]] != aisle:
            continue
        seen = set(questions.histories.row(q).tolist())
        ranked = [i for i in range(data.n_items) if names[i] == aisle and i not in seen]
        place = (ranked[::-1] if turned else ranked).index(int(questions.targets.row(q)[0]))
        out.append(1 / np.log2(place + 2) if place < 10 else 0.0)
    return out


def many_aisles(settings: AllSettings, data: Dataset) -> bool:
    return len(data.categories) > 1


# questions


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_question_is_leave_one_out_in_one_aisle_and_leaks_nothing(seed: int) -> None:
    data = toy_dataset(seed=seed, n_users=80)
    split, h = one_aisle_each(data, seed), data.histories
    assert len(set(split.test.users.tolist())) == len(split.test)
    cut_at = dict.fromkeys(range(data.n_users), 99)
    for kind, queries in (("test", split.test), ("valid", split.valid)):
        for q in range(len(queries)):
            user, aisle, target = int(queries.users[q]), int(queries.aisles[q]), int(queries.targets.row(q)[0])
            whole = h.row(user).tolist()
            place = whole.index(target)  # the toy shop has no repeats
            assert queries.histories.row(q).tolist() == whole[:place]
            assert data.item_categories[target] == aisle
            assert (data.item_categories[whole[:place]] == aisle).any()
            later = [i for i in whole[place + 1 :] if data.item_categories[i] == aisle]
            if kind == "test":
                assert later == []
            else:
                assert later == [int(split.test.targets.row(split.test.users.tolist().index(user))[0])]
            cut_at[user] = min(cut_at[user], place)
    for user, kept in enumerate(split.train.histories.rows()):
        assert kept.tolist() == h.row(user).tolist()[: cut_at[user]]


def test_everybody_who_can_be_asked_is_asked_and_small_aisles_get_their_share() -> None:
    # 60 users with two items in A and two in B, 6 users with two in A and two in C
    data = small([[0, 1, 2, 3]] * 60 + [[0, 1, 4, 5]] * 6 + [[0, 2, 4]] * 5, "AABBCC")
    split = one_aisle_each(data, seed=3)
    asked = np.bincount(split.test.aisles, minlength=3)
    assert asked.sum() == 66
    assert asked[2] >= 4  # drawn with weight 1/6 against 1/66
    assert 15 < asked[1] < 48  # 60 users, weight 1/60 against 1/66


def test_a_repeat_or_an_unknown_aisle_or_another_kind_of_event_is_no_target() -> None:
    assert one_aisle_each(small([[0, 1, 1, 0]], "AA")).test.targets.items.tolist() == [1]
    with pytest.raises(TableError, match=r"no user has two different items of one aisle.*; expected users who come back"):
        one_aisle_each(small([[0, 1], [2, 2]], "--A"))
    data = small([[0, 1, 2]], "AAA", event_names=("view", "purchase"))
    h = data.histories
    data = data.with_histories(Histories.from_arrays(h.offsets, h.items, events=np.array([0, 1, 0])))
    assert one_aisle_each(data, target_events=("purchase",)).test.targets.items.tolist() == [1]


# arms


def test_an_arm_knows_the_items_and_events_of_its_aisles_only() -> None:
    data = toy_dataset(n_users=60)
    split = one_aisle_each(data)
    arm = cut(split, ("Books", "Music"))
    ids, names = data.items["item_id"].to_list(), data.items["category"].to_list()
    mine = arm.train.items["item_id"].to_list()
    assert arm.train.categories == ("Books", "Music")
    assert mine == [i for i, a in zip(ids, names, strict=True) if a in ("Books", "Music")]
    for before, after in (
        (split.train.histories, arm.train.histories),
        (split.test.histories[arm.test_rows], arm.test.histories),
        (split.test.targets[arm.test_rows], arm.test.targets),
        (split.valid.histories[arm.valid_rows], arm.valid.histories),
    ):
        for old, new in zip(before.rows(), after.rows(), strict=True):
            assert [ids[i] for i in old if names[i] in ("Books", "Music")] == [mine[i] for i in new]
    assert {data.categories[a] for a in split.test.aisles[arm.test_rows]} == {"Books", "Music"}
    assert [data.categories[a] for a in split.test.aisles[arm.test_rows]] == [arm.train.categories[a] for a in arm.test.aisles]


def test_the_arm_with_all_aisles_is_the_split_itself() -> None:
    data = toy_dataset(n_users=60)
    split = one_aisle_each(data)
    arm = cut(split, data.categories)
    assert arm.train.histories.items.tolist() == split.train.histories.items.tolist()
    assert arm.test.aisles.tolist() == split.test.aisles.tolist()


def test_reviews_of_other_aisles_do_not_reach_an_arm() -> None:
    reviews = pl.DataFrame({"user_id": ["u1", "u1"], "item_id": ["i0", "i3"], "timestamp": [1.0, 2.0], "text": ["a", "b"]})
    data = small([[0, 3, 1, 2], [0, 3]], "AAAB", reviews=reviews)
    dated = dataclasses.replace(data.histories, times=np.arange(6, dtype=np.float64) + 10)
    split = one_aisle_each(data.with_histories(dated))
    assert split.train.reviews["item_id"].to_list() == ["i0", "i3"]
    assert cut(split, ("A",)).train.reviews["item_id"].to_list() == ["i0"]


def test_an_arm_makes_as_many_steps_in_a_pass_as_all_together() -> None:
    from crossaisle.train.packing import pack_for_training

    data, settings = toy_dataset(n_users=1200), AllSettings()
    split = one_aisle_each(data)
    whole, width = learnable(split.train), settings.model.window

    def steps(aisles: tuple[str, ...]) -> float:
        arm = cut(split, aisles)
        own = matched(settings, learnable(arm.train) / whole, arm.train.n_items, data.n_items)
        return len(pack_for_training(arm.train.histories, width, 0)) / (own.train.tokens_per_step // width)

    together = steps(data.categories)
    for name in data.categories:
        assert steps((name,)) == pytest.approx(together, rel=0.25)  # steps are whole rows


def test_sampled_negatives_are_as_dense_in_an_arm_as_in_all_together() -> None:
    settings = AllSettings().changed({"train.full_softmax_items": "50"})
    assert matched(settings, 1.0, 80, 80).train.negatives_of(80) == 4096
    assert matched(settings, 0.25, 20, 80).train.negatives_of(20) == 1024
    assert matched(AllSettings(), 0.25, 20, 80).train.negatives_of(20) == 0


def test_quality_is_ndcg_inside_the_aisle_without_what_was_seen() -> None:
    data = toy_dataset(n_users=80)
    for turned in (False, True):
        scorer = FakeInOrder(AllSettings(), lambda s, d, turned=turned: turned).fit(data)
        test = one_aisle_each(data).test
        got = quality(scorer, test, data.item_categories)
        for aisle in data.categories:
            here = got[test.aisles == data.categories.index(aisle)]
            assert here.tolist() == pytest.approx(in_order_by_hand(data, aisle, 0, turned))


# scores


def test_change_by_hand() -> None:
    c = compare([[0.2, 0.4, 0.0, 0.2], [0.4, 0.4, 0.0, 0.0]], [[0.4, 0.4, 0.2, 0.2], [0.4, 0.4, 0.4, 0.0]], seed=0)
    assert (c.before, c.after, c.difference) == pytest.approx((0.2, 0.3, 0.1))
    assert c.change == pytest.approx(0.5)
    assert c.by_seed == pytest.approx((0.5, 0.5))
    assert c.spread == pytest.approx(0.0)
    assert c.difference_low <= c.difference <= c.difference_high


def test_outcome_follows_the_interval_and_both_intervals_agree_in_sign() -> None:
    rng = np.random.default_rng(0)
    for shift, outcome in ((0.3, "positive"), (-0.3, "negative"), (0.0, "unclear")):
        a = rng.random((1, 300))
        c = compare(a, np.clip(a + shift + rng.normal(0, 0.3, (1, 300)), 0, None), seed=1)
        if outcome != "unclear":
            assert c.outcome == outcome
        assert c.low is not None
        assert c.high is not None
        assert np.sign(c.low) == np.sign(c.difference_low)
        assert np.sign(c.high) == np.sign(c.difference_high)


def test_no_relative_change_where_nothing_was_right_before() -> None:
    c = compare([[0.0, 0.0]], [[1.0, 1.0]], seed=0)
    assert (c.change, c.low, c.high, c.by_seed, c.spread, c.outcome) == (None, None, None, (None,), None, "positive")


def test_macro_change_weighs_aisles_alike() -> None:
    from crossaisle.evaluate.transfer.scores import macro_weights

    before, after = np.array([[1.0, 1.0, 1.0, 0.0]]), np.array([[1.0, 1.0, 1.0, 1.0]])
    c = compare(before, after, seed=0, weights=macro_weights([0, 0, 0, 1]))
    assert (c.before, c.after) == pytest.approx((0.5, 1.0))


def test_figures_of_other_questions_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\) against \(1, 3\) figures; expected the same seeds and questions"):
        compare([[0.0, 1.0]], [[0.0, 1.0, 1.0]], seed=0)


# the trial


def fake_trial(data: Dataset, backwards: Callable[[AllSettings, Dataset], bool] = many_aisles, **options: Any) -> TransferResults:
    return transfer(data, settings=AllSettings(), make=lambda s: FakeInOrder(s, backwards), **options)


@pytest.fixture(scope="module")
def toy() -> Dataset:
    """The toy shop's items; each user visits two aisles, and in each goes from the back of the catalogue to its front."""
    rng, shop = np.random.default_rng(0), toy_dataset(n_users=1)
    rows = []
    for _ in range(240):
        first, second = rng.choice(4, size=2, replace=False)
        steps = [rng.integers(14, 20), rng.integers(4, 8), rng.integers(0, 4)]  # places among an aisle's 20 items
        rows.append([4 * s + a for s in steps for a in (first, second)])
    h = Histories.from_lists(rows)
    known = Histories.from_arrays(h.offsets, h.items, times=np.arange(len(h.items), dtype=np.float64))
    return Dataset(shop.items, pl.Series("user_id", [f"person{u:04d}" for u in range(240)]), known)


def test_table_against_counting_by_hand(toy: Dataset) -> None:
    results = fake_trial(toy)
    assert [r.aisle for r in results.aisles] == list(toy.categories)
    for row in results.aisles:
        alone, together = (np.array(in_order_by_hand(toy, row.aisle, 0, turned)) for turned in (False, True))
        assert (row.n_test, row.n_valid) == (len(alone), len(in_order_by_hand(toy, row.aisle, 0, False, "valid")))
        assert (row.test.before, row.test.after) == pytest.approx((alone.mean(), together.mean()))
        assert row.test.change == pytest.approx((together.mean() - alone.mean()) / alone.mean())
        assert row.test.outcome == "negative"  # backwards, the front of the catalogue comes last
        on_valid = [np.mean(in_order_by_hand(toy, row.aisle, 0, turned, "valid")) for turned in (False, True)]
        assert (row.valid.before, row.valid.after) == pytest.approx(tuple(on_valid))
        assert row.gate == "alone"
        assert row.gated == row.test.before
    micro, gate = results.totals[0].test, results.totals[1].test
    n = sum(r.n_test for r in results.aisles)
    assert micro.before == pytest.approx(sum(r.test.before * r.n_test for r in results.aisles) / n)
    assert (gate.before, gate.after) == pytest.approx((micro.after, micro.before))
    macro = results.totals[2].test
    assert macro.after == pytest.approx(np.mean([r.test.after for r in results.aisles]))


def test_the_gate_keeps_the_one_model_where_the_other_is_not_shown_to_be_better(toy: Dataset) -> None:
    better = fake_trial(toy, lambda s, d: not many_aisles(s, d))
    assert {r.test.outcome for r in better.aisles} == {"positive"}
    assert {r.gate for r in better.aisles} == {"together"}
    same = fake_trial(toy, lambda s, d: False)
    assert {(r.test.change, r.test.outcome, r.gate) for r in same.aisles} == {(0.0, "unclear", "together")}


def test_each_arm_chooses_its_settings_on_validation_and_other_seeds_use_them(toy: Dataset) -> None:
    seen: list[tuple[int, float, int]] = []

    def backwards(settings: AllSettings, data: Dataset) -> bool:
        seen.append((len(data.categories), settings.train.id_weight_decay, settings.seed))
        return settings.train.id_weight_decay != (3.0 if len(data.categories) > 1 else 0.3)

    results = fake_trial(toy, backwards, seeds=2)
    for arm in results.arms:
        assert arm.chosen == {KEY: "3" if arm.kind == "together" else "0.3"}
        assert {p[KEY]: v for p, v in arm.tried}[arm.chosen[KEY]] == max(v for _, v in arm.tried)
    assert seen[:3] == [(4, 0.3, 0), (4, 3.0, 0), (4, 3.0, 1)]
    assert seen[3:6] == [(1, 0.3, 0), (1, 3.0, 0), (1, 0.3, 1)]
    assert all(len(r.test.by_seed) == 2 and r.test.spread == 0 for r in results.aisles)


def test_a_model_is_let_go_before_the_next_but_one(toy: Dataset) -> None:
    gc.collect()
    FakeInOrder.most_alive, FakeInOrder.fits = 0, 0
    fake_trial(toy, seeds=3, pairs=True)
    assert FakeInOrder.most_alive <= 2
    assert FakeInOrder.fits == (1 + 4 + 6) * (2 + 2)  # arms times (grid + further seeds)


def test_pairs_hold_every_direction_against_the_target_alone(toy: Dataset) -> None:
    results = fake_trial(toy, pairs=True)
    assert {(p.source, p.target) for p in results.pairs} == {(a, b) for a in toy.categories for b in toy.categories if a != b}
    by_name = {r.aisle: r for r in results.aisles}
    for pair in results.pairs:  # this fake turns with any second aisle
        assert (pair.test.before, pair.test.after) == (by_name[pair.target].test.before, by_name[pair.target].test.after)


def test_history_elsewhere_and_its_unknown_order_are_counted(toy: Dataset) -> None:
    results = fake_trial(toy)
    test = one_aisle_each(toy).test
    for row in results.aisles:
        here = [q for q in range(len(test)) if toy.categories[test.aisles[q]] == row.aisle]
        other = [(toy.item_categories[test.histories.row(q)] != test.aisles[q]).any() for q in here]
        assert row.elsewhere == pytest.approx(np.mean(other))
        assert row.undated == 0
    h = toy.histories
    undated = toy.with_histories(Histories.from_arrays(h.offsets, h.items, h.events, h.weights))
    for row in fake_trial(undated).aisles:
        assert row.undated == row.elsewhere > 0


def test_an_aisle_with_few_questions_is_left_out_and_still_learned_from(toy: Dataset) -> None:
    rows = [r.tolist() for r in toy.histories.rows()]
    names = [{"B": "A", "G": "B", "K": "A", "M": "B"}[c[0]] for c in toy.items["category"]]
    results = fake_trial(small([*rows, [80, 81], [80, 82]], "".join(names) + "CCC"))
    assert [r.aisle for r in results.aisles] == ["A", "B"]
    assert [(x.aisle, x.n_test, x.n_valid, x.reason) for x in results.left_out] == [("C", 2, 0, "few")]
    assert results.arms[0].items == 83


def test_an_aisle_without_two_events_to_learn_from_is_left_out() -> None:
    rows = [[0, 1, 2]] * 30 + [[3, 4, 5, 6]] * 40
    results = fake_trial(small(rows, "AAABBBB"))
    assert [r.aisle for r in results.aisles] == ["B"]
    assert [(x.aisle, x.reason) for x in results.left_out] == [("A", "nothing")]


def test_ties_are_shuffled_on_request(toy: Dataset) -> None:
    h = toy.histories
    day = toy.with_histories(Histories.from_arrays(h.offsets, h.items, h.events, h.weights, np.zeros(len(h.items))))
    plain, shuffled = fake_trial(day), fake_trial(day, shuffle_ties=True)
    assert not plain.facts["shuffled_ties"]
    assert shuffled.facts["shuffled_ties"]
    assert [r.test.before for r in plain.aisles] != [r.test.before for r in shuffled.aisles]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "0 seeds; expected a whole number of at least 1"),
        ({"grid": {KEY: ()}}, "the grid has no value for train.id_weight_decay; expected at least one value"),
    ],
)
def test_refusals(toy: Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        fake_trial(toy, **options)


def test_refusals_of_data(toy: Dataset) -> None:
    with pytest.raises(RequestError, match="fewer than two aisles; expected items of two or more categories"):
        fake_trial(small([[0, 1, 2]], "AAA-"))
    with pytest.raises(RequestError, match="no aisle has 20 test questions and as many for validation; expected more users"):
        fake_trial(toy_dataset(n_users=15))


def test_progress_counts_every_fit(toy: Dataset) -> None:
    heard: list[tuple[str, int, int, str]] = []
    fake_trial(toy, progress=lambda *said: heard.append(said))
    assert [done for _, done, _, _ in heard] == list(range(11))
    assert {total for _, _, total, _ in heard} == {10}
    assert heard[2][3] == f"Books, {KEY}=0.3"


# the report


@pytest.fixture(scope="module")
def results(toy: Dataset) -> TransferResults:
    return fake_trial(toy, pairs=True, seeds=2, data_name="shop/interactions.csv")


def test_report_says_what_was_found_in_both_languages(results: TransferResults, tmp_path: Path) -> None:
    english, chinese = write_transfer(results, tmp_path / "en"), write_transfer(results, tmp_path / "zh", "zh")
    page, text = english.read_text(), (tmp_path / "en" / "transfer.md").read_text()
    row = results.aisles[0]
    assert f"{row.test.before:.4f}" in text
    assert "🔴 −" in text
    assert '<td class="negative">' in page
    assert "<svg" in page
    assert "var(--negative)" in page
    assert "0 gain by training with the others, 4 lose" in text
    assert "The price: to decide, every aisle was trained alone too" in text
    assert "4 more are kept" in text
    said = re.sub(r"<style>.*?</style>|<[^>]+>|&\w+;", "", chinese.read_text(), flags=re.DOTALL)
    assert "负迁移" in said
    assert not re.search(r"\b(the|aisles|alone|together)\b", said)
    for folder in ("en", "zh"):
        assert "{" not in (tmp_path / folder / "transfer.md").read_text()


def test_files_hold_the_figures_and_no_user(results: TransferResults, toy: Dataset, tmp_path: Path) -> None:
    write_transfer(results, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["transfer.html", "transfer.json", "transfer.md", "transfer.parquet"]
    written = json.loads((tmp_path / "out" / "transfer.json").read_text(), parse_constant=pytest.fail)
    assert written["aisles"][0]["test"]["change"] == results.aisles[0].test.change
    assert len(written["pairs"]) == 12
    raw = pl.read_parquet(tmp_path / "out" / "transfer.parquet")
    alone = raw.filter((pl.col("kind") == "alone") & (pl.col("asked") == "test") & (pl.col("aisle") == "Books"))
    assert alone["ndcg@10"].mean() == pytest.approx(results.aisles[0].test.before, abs=1e-6)
    for file in (tmp_path / "out").iterdir():
        assert not any(user.encode() in file.read_bytes() for user in toy.users)


def test_notes_name_what_is_left_out_and_what_is_undated(toy: Dataset) -> None:
    from crossaisle.evaluate.transfer.content import notes

    rows = [r.tolist() for r in toy.histories.rows()]
    names = "".join("AB"[i % 2] for i in range(80))
    said = list(notes(fake_trial(small([*rows, [80, 81]], names + "CC")), Words("en", TEXTS)))
    assert any(s.startswith("C is not in the table: 1 test and 0 validation questions") for s in said)
    assert any("whose order against the question is not known" in s for s in said)
    assert any(s.startswith("One seed:") for s in said)
    few = list(notes(fake_trial(small([[0, 1, 2]] * 30 + [[3, 4, 5, 6]] * 40, "AAABBBB")), Words("zh", TEXTS)))
    assert any(s.startswith("A 未列入：单独训练时") for s in few)


def test_an_unknown_language_writes_nothing(results: TransferResults, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="report language 'fr'"):
        write_transfer(results, tmp_path / "out", "fr")
    assert list(tmp_path.iterdir()) == []


def test_every_sentence_is_used_and_has_the_same_blanks_in_both_languages() -> None:
    folder = Path(arms.__file__).parent
    source = "".join(p.read_text() for p in [*folder.glob("*.py"), folder.parents[1] / "cli" / "transfer.py"] if p.name != "wording.py")
    made = {f"t-{x}" for x in ("positive", "negative", "unclear", "alone", "together", "micro", "macro", "pair")}
    made |= {f"t-{x}-title" for x in ("positive", "negative", "unclear")} | {f"t-names-{x}" for x in ("positive", "negative")}
    for key, (english, chinese) in TEXTS.items():
        assert f'"{key}"' in source or key in made, key
        assert sorted(re.findall(r"\{(\w+)\}", english)) == sorted(re.findall(r"\{(\w+)\}", chinese)), key


def test_a_tone_is_a_colour_on_the_page_and_a_sign_in_markdown() -> None:
    table = Table("t", (Cell("a"), Cell("b"), Cell("c")), (Row((Cell("x"), Cell("1", tone="positive"), Cell("2", tone="negative"))),), (2,))
    page = html.render("t", "b", [table], Words())
    assert '<td class="positive">1</td><td class="words negative">2</td>' in page
    assert "| x | 🟢 1 | 🔴 2 |" in markdown.render("t", "b", [table], Words())


def test_bars_take_their_colours_from_the_page() -> None:
    rows = [plots.Dot("a", 3.0, 1.0, 5.0, "positive"), plots.Dot("b", -3.0, -5.0, -1.0, "negative"), plots.Dot("c", 0.1, -1, 1, "unclear")]
    svg = plots.bars(rows, "%", "x")
    assert all(f"var(--{name})" in svg for name in ("positive", "negative", "baseline", "ink"))
    assert "#" not in re.sub(r'"[^"]*#x-[^"]*"|url\(#[^)]*\)', "", svg)


# the command line, with a real network


TABLES = ["--interactions", "interactions.csv", "--items", "items.csv"]
TINY = [f"--set={s}" for s in ("model.senses=id,words", "model.dim=16", "train.epochs=1", f"{KEY}=1")]


def test_command_trains_real_networks(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shop_interactions(360).write_csv(shop / "interactions.csv")
    shop_items().write_csv(shop / "items.csv")
    capfd.readouterr()
    assert run(["evaluate", *TABLES, "--transfer", "--out", "report", "--preset", "quick", *TINY, "--lang", "zh"]) == 0
    out, err = capfd.readouterr()
    assert "单独" in out
    assert "report: report/transfer.html" in out
    assert "每个用户只在一个品类中被提问" in err
    written = json.loads((shop / "report" / "transfer.json").read_text())
    assert {a["kind"] for a in written["arms"]} == {"together", "alone"}
    assert all(a["epochs"] == [1] and a["parameters"] > 0 and a["chosen"] == {} for a in written["arms"])
    assert written["facts"]["grid"] == {}  # what was set is not chosen
    assert all(0 < r["test"]["before"] <= 1 for r in written["aisles"])
    assert run(["evaluate", *TABLES, "--transfer", "--out", "report", "--preset", "quick", *TINY, "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert [r["test"]["before"] for r in shown["aisles"]] == [r["test"]["before"] for r in written["aisles"]]  # same seed, same figures


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pairs", "--protocol", "leave-one-out"], "--pairs without --transfer"),
        ([], "neither --protocol nor --transfer is given"),
        (["--transfer", "--protocol", "leave-one-out"], "--protocol does not go with --transfer"),
        (["--transfer", "--refit"], "--refit does not go with --transfer"),
        (["--transfer", "--models", "ease"], "--models does not go with --transfer"),
    ],
)
def test_command_refuses_what_does_not_go_together(options: list[str], message: str, shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = everything_in(shop)
    capfd.readouterr()
    assert run(["evaluate", *TABLES, "--out", "report", *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}; expected ")
    assert everything_in(shop) == before
