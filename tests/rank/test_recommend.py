import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_fakes import FakeScorer, histories, lists, shop

from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError, TableError
from crossaisle.rank import recommend as recommend_module
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.recommend import Request, recommend
from crossaisle.testing import toy_dataset


def falling(n):
    """A fake that always prefers a over b over c ..."""
    return FakeScorer(np.tile(-np.arange(n, dtype=np.float32), (n, 1)))


def ask(scorer, catalogue, past, ids=None, notes=None, query_column="user_id", vectors=None, **options):
    ids = [f"u{b}" for b in range(len(past))] if ids is None else ids
    note = None if notes is None else notes.append
    return recommend(scorer, catalogue, past, ids, Request(**options), query_column=query_column, vectors=vectors, note=note)


def test_the_table_is_the_contract():
    table = ask(falling(5), shop("AABBC"), histories("b", "ac"), k=2)
    assert table.columns == ["user_id", "item_id", "category", "score", "rank"]
    assert table.rows() == [("u0", "a", "A", 0.0, 1), ("u0", "c", "B", -2.0, 2), ("u1", "b", "A", -2.0, 1), ("u1", "d", "B", -6.0, 2)]
    assert table.schema["score"] == pl.Float32
    assert ask(falling(5), shop("AABBC"), histories("b"), query_column="query_id").columns[0] == "query_id"


def test_defaults_without_a_request():
    assert recommend(falling(5), shop("AABBC"), histories("b"), ["x"]).height == 4


def test_seen_items_only_with_keep_seen():
    assert lists(ask(falling(4), shop("AAAA"), histories("ac"))) == {"u0": "bd"}
    assert lists(ask(falling(4), shop("AAAA"), histories("ac"), keep_seen=True)) == {"u0": "abcd"}


def test_unavailable_items_never():
    catalogue = shop("AAAA", available=[False, True, True, None])
    candidates = pl.DataFrame({"query_id": ["u0"] * 4, "item_id": list("abcd")})
    assert lists(ask(falling(4), catalogue, histories("c"), keep_seen=True)) == {"u0": "bcd"}
    assert lists(ask(falling(4), catalogue, histories("c"), candidates=candidates)) == {"u0": "bd"}


def test_ties_stand_in_item_order():
    level = FakeScorer(np.zeros((600, 600)))
    catalogue = Catalogue(pl.DataFrame({"item_id": [str(i) for i in range(600)], "category": ["A"] * 600}), np.ones(600, dtype=np.int64))
    assert ask(level, catalogue, Histories.from_lists([[3]]), k=5)["item_id"].to_list() == ["0", "1", "2", "4", "5"]


def test_categories():
    assert lists(ask(falling(5), shop("AABBC"), histories("a"), categories=["B", "C"])) == {"u0": "cde"}
    with pytest.raises(RequestError, match=r"unknown category 'b'; expected one of the 3 categories; next: the nearest is 'B'"):
        ask(falling(5), shop("AABBC"), histories("a"), categories=["b"])


def test_only_the_items_asked_for_are_scored():
    scorer = falling(5)
    ask(scorer, shop("AABBC"), histories("a", "b"), categories=["C"])
    assert scorer.calls == [(2, 1)]


def test_beyond_history_leaves_out_touched_and_unknown_aisles():
    catalogue = shop(["A", "A", "B", "C", ""])
    notes = []
    table = ask(falling(5), catalogue, histories("a", "ac", "acd", "e"), beyond_history=True, notes=notes)
    assert lists(table) == {"u0": "cd", "u1": "d", "u3": "abcd"}
    assert notes == ["no item is left for 'u2': the history touches every category that has items to offer"]


def test_beyond_history_with_one_single_category():
    with pytest.raises(
        RequestError, match=r"beyond-history with one single category \('A'\); expected a catalogue of at least two categories"
    ):
        ask(falling(3), shop(["A", "A", ""]), histories("a"), beyond_history=True)
    with pytest.raises(RequestError, match=r"one single category \(none is named\)"):
        ask(falling(2), shop(["", ""]), histories("a"), beyond_history=True)
    with pytest.raises(RequestError, match=r"one single category 'A', which the history touches; .*leave out --beyond-history"):
        ask(falling(3), shop("AAB"), histories("a"), beyond_history=True, categories=["A"])
    with pytest.raises(RequestError, match=r"one single category 'A', which all 2 histories touch"):
        ask(falling(3), shop("AAB"), histories("a", "bc"), beyond_history=True, categories=["A", "A"])
    notes = []
    table = ask(falling(3), shop("AAB"), histories("a", "c"), beyond_history=True, categories=["A"], notes=notes)
    assert lists(table) == {"u1": "ab"}
    assert len(notes) == 1


def test_where():
    catalogue = shop("AABB", price=[5.0, 80.0, 7.0, None])
    assert lists(ask(falling(4), catalogue, histories("a"), where="price < 50")) == {"u0": "c"}
    with pytest.raises(RequestError, match="names no column: 'prize'"):
        ask(falling(4), catalogue, histories("a"), where="prize < 50")
    notes = []
    table = ask(falling(4), catalogue, histories("a"), where="price > 100", notes=notes)
    assert (table.height, table.columns) == (0, ["user_id", "item_id", "category", "score", "rank"])
    assert notes == ["no item is left for 'u0': no available item passes the filter"]


def test_candidates_are_each_querys_own():
    catalogue, past = shop("AABBC"), histories("a", "b", "c")
    candidates = pl.DataFrame({"query_id": ["q0", "q0", "q1", "q1", "q1", "zz"], "item_id": ["c", "a", "e", "e", "nope", "d"]})
    notes = []
    table = ask(falling(5), catalogue, past, ["q0", "q1", "q2"], notes, "query_id", candidates=candidates)
    assert lists(table, "query_id") == {"q0": "c", "q1": "e"}
    assert notes == [
        "1 of 6 candidate rows name an item that the model does not know: left out",
        "no item is left for 'q2': no candidate can be recommended",
    ]
    users = candidates.rename({"query_id": "user_id"})
    assert lists(ask(falling(5), catalogue, past, ["q0", "q1", "q2"], candidates=users)) == {"q0": "c", "q1": "e"}


def test_candidates_that_cannot_be_used():
    with pytest.raises(TableError, match=r"candidates has no column 'item_id'"):
        ask(falling(2), shop("AB"), histories("a"), candidates=pl.DataFrame({"query_id": ["u0"]}))
    with pytest.raises(TableError, match=r"candidates has no column 'query_id'"):
        ask(falling(2), shop("AB"), histories("a"), candidates=pl.DataFrame({"item_id": ["a"]}))
    table = pl.DataFrame({"query_id": ["u0", "u0"], "item_id": ["x", "y"]})
    with pytest.raises(RequestError, match="none of 2 candidates is an item of the model"):
        ask(falling(2), shop("AB"), histories("a"), candidates=table)
    with pytest.raises(TableError, match="candidates has no usable row"):
        ask(falling(2), shop("AB"), histories("a"), candidates=table.clear())


def test_bad_rows_of_candidates_are_noted_or_stop():
    table = pl.DataFrame({"query_id": [0, 0, None], "item_id": [2.0, 1.0, 1.0]})
    catalogue = Catalogue(pl.DataFrame({"item_id": ["1", "2"], "category": ["A", "B"]}), np.ones(2, dtype=np.int64))
    with pytest.raises(TableError, match="candidates: 1 of 3 rows cannot be used"):
        ask(falling(2), catalogue, histories(""), ["0"], candidates=table)
    notes: list[str] = []
    found = ask(falling(2), catalogue, histories(""), ["0"], notes, "query_id", candidates=table, max_rejected=0.5)
    assert sorted(found["item_id"]) == ["1", "2"]
    assert notes[0] == "1 of 3 candidate rows were left out, most often: missing query_id"


def test_max_per_category():
    assert lists(ask(falling(6), shop("AAABBC"), histories(""), max_per_category=1, k=6)) == {"u0": "adf"}
    assert lists(ask(falling(6), shop("AAABBC"), histories("a"), max_per_category=1, k=6)) == {"u0": "bdf"}


def test_diversity_takes_the_unlike():
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [1, 0.02]], dtype=np.float32)
    past = histories("d")
    assert lists(ask(falling(4), shop("AABB"), past, k=2)) == {"u0": "ab"}
    table = ask(falling(4), shop("AABB"), past, k=2, diversity=0.6, vectors=vectors)
    assert lists(table) == {"u0": "ac"}
    assert table["score"].to_list() == [0.0, -2.0]
    with pytest.raises(ValueError, match="diversity needs item vectors"):
        ask(falling(4), shop("AABB"), past, diversity=0.6)


def test_unknown_users_get_popularity_and_a_note():
    catalogue = shop("AAABB", counts=[1, 6, 3, 2, 4])
    scorer, notes = falling(5), []
    table = ask(scorer, catalogue, histories("", "a", ""), ["new", "old", "新"], notes)
    assert lists(table) == {"new": "becad", "old": "bcde", "新": "becad"}
    assert scorer.calls == [(1, 5)]
    assert notes == ["no history of 'new', '新': the list follows the popularity of categories and of items inside them"]
    assert lists(ask(scorer, catalogue, histories(""), where="category = 'B'", k=1)) == {"u0": "e"}


def test_notes_name_three_and_count_the_rest():
    notes = []
    ask(falling(2), shop("AB"), histories(*[""] * 5), ["x" * 50, "b", "c", "d", "e"], notes)
    assert notes[0].startswith(f"no history of '{'x' * 40}...', 'b', 'c', ... (5): ")


def test_notes_in_chinese():
    notes = []
    candidates = pl.DataFrame({"query_id": ["u0", "u0"], "item_id": ["a", "x"]})
    ask(falling(2), shop("AB"), histories("", "a"), notes=notes, candidates=candidates, lang="zh")
    assert notes == [
        "候选商品共 2 行，其中 1 行的商品模型不认识，已忽略",
        "没有 'u0' 的历史记录：按各品类热度推荐",
        "没有商品可推荐给 'u1'：没有可用的候选商品",
    ]
    for options, past, why in (
        ({"where": "category = 'C'"}, "a", "没有可售商品符合筛选条件"),
        ({"beyond_history": True}, "ab", "历史记录已涉及所有品类"),
        ({}, "ab", "所有商品都已看过"),
    ):
        notes = []
        ask(falling(2), shop("AB"), histories(past), notes=notes, lang="zh", **options)
        assert notes == [f"没有商品可推荐给 'u0'：{why}"]


def test_every_item_seen():
    notes = []
    assert ask(falling(2), shop("AB"), histories("ab"), notes=notes, explain=True).columns[-3:] == ["because", "path", "reason"]
    assert notes == ["no item is left for 'u0': every item has been seen"]


def test_no_queries():
    notes = []
    table = ask(falling(2), shop("AB"), histories(), notes=notes, explain=True)
    assert table.columns == ["user_id", "item_id", "category", "score", "rank", "because", "path", "reason"]
    assert (table.height, notes) == (0, [])


def test_explain_adds_three_columns():
    table = np.zeros((4, 4))
    table[0, 2], table[1, 3] = 2, 1
    found = ask(FakeScorer(table), shop("AABB"), histories("ab", ""), k=2, explain=True)
    assert found["because"].to_list() == ["a", "b", None, None]
    assert found["path"].to_list() == [None, None, "A", "B"]
    assert found["reason"][0] == "“c” (B) is suggested mainly because your history holds “a” (A)."


@pytest.mark.parametrize("odd", ["a b", "it's", '"', "🐱", "商品", "x" * 10_000, " a ", "=1", "a,b"])
def test_odd_ids_work(odd):
    items = pl.DataFrame({"item_id": [odd, "plain", "q"], "category": [odd or "none", "B", "B"], "title": [odd, odd, ""]})
    catalogue = Catalogue(items, np.ones(3, dtype=np.int64))
    candidates = pl.DataFrame({"query_id": [odd], "item_id": [odd]})
    table = ask(FakeScorer.random(3), catalogue, histories("b"), [odd], candidates=candidates, explain=True, query_column="query_id")
    assert (table["query_id"][0], table["item_id"][0], table.height) == (odd, odd, 1)


def plain_list(scores, catalogue, past, k, beyond, keep_seen, cap, categories):
    """One query straight from the contract."""
    touched = {catalogue.items["category"][i] for i in past}
    out, used = [], {}
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        aisle = catalogue.items["category"][i]
        wrong = (not catalogue.available[i]) or (i in past and not keep_seen) or (categories and aisle not in categories)
        if wrong or (beyond and (aisle in touched or not aisle)) or (cap and used.get(aisle, 0) >= cap):
            continue
        used[aisle] = used.get(aisle, 0) + 1
        out.append(i)
    return out[:k]


@settings(deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 8), st.booleans(), st.booleans(), st.sampled_from([None, 1, 2]), st.booleans())
def test_lists_follow_the_contract(seed, k, beyond, keep_seen, cap, some_categories):
    rng = np.random.default_rng(seed)
    catalogue = shop([*rng.choice(["", "A", "B", "C"], size=15).tolist(), "A", "B"], available=(rng.random(17) < 0.8).tolist())
    categories = ["A", "B"] if some_categories else []
    scorer = FakeScorer(rng.integers(-2, 3, size=(17, 17)))  # whole numbers, so that ties are common
    past = Histories.from_lists([rng.integers(0, 17, size=rng.integers(1, 5)).tolist() for _ in range(7)])
    options = {"k": k, "beyond_history": beyond, "keep_seen": keep_seen, "max_per_category": cap, "categories": categories}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommend_module, "_BATCH", 3)
        found = lists(ask(scorer, catalogue, past, **options))
    scores = scorer.score(past)
    for b in range(7):
        wanted = plain_list(scores[b], catalogue, past.row(b).tolist(), k, beyond, keep_seen, cap, categories)
        assert found.get(f"u{b}", "") == "".join(chr(97 + i) for i in wanted)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_batch_size_and_restriction_change_nothing(seed):
    data = toy_dataset()
    rng, catalogue = np.random.default_rng(seed), Catalogue.of(data)
    scorer, vectors = FakeScorer.random(data.n_items, seed), rng.normal(size=(data.n_items, 8)).astype(np.float32)
    options = {"k": 6, "diversity": 0.4, "max_per_category": 2, "beyond_history": True, "explain": True, "where": "price < 40"}
    ids = data.users.to_list()[:12]
    whole = ask(scorer, catalogue, data.histories[:12], ids, vectors=vectors, **options)
    one_by_one = pl.concat(
        [ask(scorer, catalogue, data.histories[b : b + 1], ids[b : b + 1], vectors=vectors, **options) for b in range(12)]
    )
    assert whole.equals(one_by_one)
    assert whole.group_by("user_id", "category").len()["len"].max() <= 2


def test_progress_counts_queries(monkeypatch):
    monkeypatch.setattr(recommend_module, "_BATCH", 2)
    seen = []
    recommend(falling(2), shop("AB"), histories("a", "a", "b"), list("xyz"), progress=lambda *args: seen.append(args))
    assert seen == [("recommend", 2, 3, ""), ("recommend", 3, 3, "")]


def test_a_large_catalogue_shrinks_the_batch(monkeypatch):
    monkeypatch.setattr(recommend_module, "_CELLS", 4)
    scorer = falling(2)
    ask(scorer, shop("AB"), histories("a", "a", "b"))
    assert scorer.calls == [(2, 2), (1, 2)]
