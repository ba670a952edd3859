import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_fakes import FakeScorer, histories, planted_shop, shop

from crossaisle.data.histories import Histories
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.rank import explain as explain_module
from crossaisle.rank.associations import Associations
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.explain import because_items, explain

COFFEE = {
    "title": ["Espresso machine", "Burr grinder", "Cat bed", "Milk jug", "Kettle", "Dog bowl"],
    "brand": ["Lava", "lava", "", "", "Boil", "Lava"],
    "categories": [["Kitchen", "Coffee"], ["Kitchen", "Coffee"], ["Pets"], ["Kitchen", "Coffee"], ["Kitchen", "Tea"], None],
}
AISLES = ["Kitchen", "Kitchen", "Pets", "Kitchen", "Kitchen", "Pets"]


def carried_by_first(item, n=6):
    """A fake in which item 0 speaks for one item and nothing speaks for anything else."""
    table = np.zeros((n, n))
    table[0, item] = 1
    return FakeScorer(table)


def plain_because(scorer, history, item):
    """Straight from the definition, for scores that need no common zero."""
    best, cause = 0.0, -1
    whole = scorer.score(Histories.from_lists([history]))[0, item]
    for j in dict.fromkeys(reversed(history)):
        without = scorer.score(Histories.from_lists([[h for h in history if h != j]]))[0]
        if j != item and whole > 0 and whole - without[item] > max(best, 0.01 * whole) + 1e-6:
            best, cause = whole - without[item], j
    return cause


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_because_is_the_item_whose_loss_costs_most(seed, rows):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(12, 12))
    scorer = FakeScorer(table - table.mean(axis=1, keepdims=True))
    past = [rng.integers(0, 12, size=rng.integers(1, 7)).tolist() for _ in range(4)]
    queries = np.repeat(np.arange(4), 3)
    items = rng.integers(0, 12, size=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explain_module, "_ROWS", rows)
        found = because_items(scorer, Histories.from_lists(past), queries, items, 12)
    assert found.tolist() == [plain_because(scorer, past[q], i) for q, i in zip(queries, items, strict=True)]


def test_a_shift_common_to_all_items_changes_nothing():
    past, queries, items = histories("abc", "cde"), np.array([0, 0, 1]), np.array([3, 4, 5])
    plain = because_items(FakeScorer.random(6), past, queries, items, 6)
    shifted = FakeScorer.random(6)
    shifted.shift = -7.0
    assert (because_items(shifted, past, queries, items, 6) == plain).all()
    assert (plain >= 0).any()


def test_only_the_listed_items_and_a_sample_are_scored():
    scorer = FakeScorer.random(2000)
    because_items(scorer, Histories.from_lists([[1, 2, 3]]), np.array([0]), np.array([9]), 2000)
    assert scorer.calls == [(4, 257)]  # the history whole and without each of three; the item and 256 others


def test_only_the_newest_different_items_are_left_out():
    scorer = FakeScorer(np.eye(200))
    past = Histories.from_lists([[*range(150), 149]])
    assert because_items(scorer, past, np.array([0]), np.array([160]), 200).tolist() == [-1]
    assert scorer.calls[0][0] == 51


def test_an_item_is_no_reason_for_itself():
    assert because_items(FakeScorer(np.eye(3)), histories("ab"), np.array([0]), np.array([0]), 3).tolist() == [-1]


@pytest.mark.parametrize(
    ("item", "path", "reason"),
    [
        (1, "Coffee", "“Burr grinder” is suggested mainly because you bought “Espresso machine” (also by lava)."),
        (2, None, "“Cat bed” (Pets) is suggested mainly because you bought “Espresso machine” (Kitchen)."),
        (3, "Coffee", "“Milk jug” is suggested mainly because you bought “Espresso machine” (also in Coffee)."),
        (4, "Kitchen", "“Kettle” is suggested mainly because you bought “Espresso machine” (also in Kitchen)."),
        (5, None, "“Dog bowl” (Pets) is suggested mainly because you bought “Espresso machine” (Kitchen, also by Lava)."),
    ],
)
def test_reasons_in_english(item, path, reason):
    catalogue = shop(AISLES, event_names=("Purchase",), **COFFEE)
    table = explain(carried_by_first(item), catalogue, histories("a"), np.array([0]), np.array([item]))
    assert table.rows() == [("a", path, reason)]


@pytest.mark.parametrize(
    ("item", "event", "reason"),
    [
        (1, "view", "推荐“Burr grinder”，主要因为您浏览过“Espresso machine”（同为 lava 品牌）。"),
        (2, "cart", "推荐“Cat bed”（Pets），主要因为您曾把“Espresso machine”（Kitchen）加入购物车。"),
        (3, "interaction", "推荐“Milk jug”，主要因为您的历史记录中有“Espresso machine”（同属“Coffee”）。"),
        (5, "review", "推荐“Dog bowl”（Pets），主要因为您评价过“Espresso machine”（Kitchen，同为 Lava 品牌）。"),
    ],
)
def test_reasons_in_chinese(item, event, reason):
    catalogue = shop(AISLES, event_names=(event,), **COFFEE)
    assert explain(carried_by_first(item), catalogue, histories("a"), np.array([0]), np.array([item]), "zh")["reason"].to_list() == [reason]


def test_the_deed_is_the_newest_one_with_that_item():
    past = Histories.from_arrays(np.array([0, 3]), np.array([0, 0, 3]), events=np.array([1, 0, 1]))
    catalogue = shop(AISLES, event_names=("purchase", "click"), **COFFEE)
    assert "you bought “Espresso" in explain(carried_by_first(4), catalogue, past, np.array([0]), np.array([4]))["reason"][0]
    swapped = shop(AISLES, event_names=("click", "purchase"), **COFFEE)
    assert "you looked at “Espresso" in explain(carried_by_first(4), swapped, past, np.array([0]), np.array([4]))["reason"][0]


@pytest.mark.parametrize(("lang", "deed"), [("en", "your history holds “Espresso"), ("zh", "您的历史记录中有“Espresso")])
def test_an_unknown_kind_is_told_as_no_kind(lang, deed):
    past = Histories.from_arrays(np.array([0, 1]), np.array([0]), events=np.array([-1]))
    catalogue = shop(AISLES, event_names=("click", "purchase"), **COFFEE)
    assert deed in explain(carried_by_first(4), catalogue, past, np.array([0]), np.array([4]), lang)["reason"][0]


@pytest.mark.parametrize(
    ("lang", "reasons"),
    [
        (
            "en",
            [
                "No single item of your history decides here; “Cat bed” is no. 1 of 2 in Pets by popularity.",
                "No single item of your history decides here; “Dog bowl” is from Pets.",
                "There is no history of yours yet; “Cat bed” is no. 1 of 2 in Pets by popularity.",
            ],
        ),
        (
            "zh",
            [
                "您的历史记录中没有哪一件单独起决定作用；“Cat bed”在“Pets”中热度排名第 1（共 2 件）。",
                "您的历史记录中没有哪一件单独起决定作用；“Dog bowl”来自“Pets”。",
                "尚无您的历史记录；“Cat bed”在“Pets”中热度排名第 1（共 2 件）。",
            ],
        ),
    ],
)
def test_without_a_carrying_item_only_popularity_is_named(lang, reasons):
    catalogue = shop(AISLES, counts=[9, 1, 3, 1, 1, 0], **COFFEE)
    nothing = FakeScorer(np.zeros((6, 6)))
    table = explain(nothing, catalogue, histories("ab", ""), np.array([0, 0, 1]), np.array([2, 5, 2]), lang)
    assert table["reason"].to_list() == reasons
    assert table["because"].to_list() == [None] * 3
    assert table["path"].to_list() == ["Pets"] * 3


def test_bare_items_are_named_by_their_ids():
    catalogue = shop(["", "", "A"])
    table = explain(carried_by_first([1, 2], 3), catalogue, histories("a", ""), np.array([0, 0, 1]), np.array([1, 2, 1]))
    assert table.rows() == [
        ("a", None, "“b” is suggested mainly because your history holds “a”."),
        ("a", None, "“c” (A) is suggested mainly because your history holds “a”."),
        (None, None, "There is no history of yours yet; “b” is in no named category."),
    ]


def test_long_titles_are_cut_and_stay_one_line():
    titles = ["word " * 40, "字" * 100, "a\nb {} c"]
    catalogue = shop("AAA", title=titles)
    reasons = explain(carried_by_first([1, 2], 3), catalogue, histories("a"), np.array([0, 0]), np.array([1, 2]))["reason"].to_list()
    assert "“" + "字" * 60 + "…”" in reasons[0]
    assert "“" + ("word " * 12).strip() + "…”" in reasons[0]
    assert reasons[1].startswith("“a b {} c” is suggested")


def test_what_scores_below_the_mean_is_carried_by_nothing():
    table = np.zeros((4, 4))
    table[0] = [1, -5, -6, -7]  # leaving item 0 out raises all others; 1 the least
    assert because_items(FakeScorer(table), histories("a"), np.array([0, 0]), np.array([1, 2]), 4).tolist() == [-1, -1]


def test_categories_are_spoken_without_underscores():
    catalogue = shop(["Home_and_Kitchen", "Toys_and_Games"], counts=[1, 3])
    table = explain(carried_by_first(1, 2), catalogue, histories("a", ""), np.array([0, 1]), np.array([1, 1]))
    assert table["path"].to_list() == [None, "Toys_and_Games"]
    assert table["reason"][0] == "“b” (Toys and Games) is suggested mainly because your history holds “a” (Home and Kitchen)."
    assert table["reason"][1].endswith("“b” is no. 1 of 1 in Toys and Games by popularity.")


def test_titles_with_braces_are_kept():
    catalogue = shop("AA", title=["{} x", "{1} y"])
    assert (
        "your history holds “{} x” (also in A)."
        in explain(carried_by_first(1, 2), catalogue, histories("a"), np.array([0]), np.array([1]))["reason"][0]
    )


def test_a_missing_brand_is_no_brand():
    catalogue = shop("AA", brand=["Unknown", "unknown"])
    assert "also in A" in explain(carried_by_first(1, 2), catalogue, histories("a"), np.array([0]), np.array([1]))["reason"][0]


class Blended(FakeScorer):
    """A fake that says which of its parts carried an item."""

    def __init__(self, table, part):
        super().__init__(table)
        self.part = part

    def carried_by(self, histories, queries, items):
        return [self.part] * len(items)


def test_the_part_that_carried_an_item_is_a_column():
    catalogue = shop("AB")
    table = explain(Blended(carried_by_first(1, 2).table, "markov"), catalogue, histories("a", ""), np.array([0, 1]), np.array([1, 1]))
    assert table["carried_by"].to_list() == ["markov", "popularity"]  # who has no history sees what is popular
    assert "carried_by" not in explain(carried_by_first(1, 2), catalogue, histories("a"), np.array([0]), np.array([1])).columns


def test_popularity_is_named_beside_the_item_that_counts_where_it_is_true():
    catalogue = shop("AAAAAAAAAAAB", counts=[1, 9, *[2] * 8, 1, 5])
    scorer = Blended(carried_by_first([1, 2], 12).table, "popularity")
    reasons = explain(scorer, catalogue, histories("l", "a"), np.array([1, 1]), np.array([1, 2]))["reason"].to_list()
    assert reasons[0].startswith("“b” (no. 1 of 11 in A by popularity) is suggested mainly because your history holds “a”")
    assert reasons[1].startswith("“c” is suggested mainly")  # no. 2 of 11 is not in the first tenth


def met(times=None):
    """40 with a coffee and a bed, the coffee first; 5 with a tea; 60 with toys and books; 300 with one thing each."""
    rows = [[0, 1]] * 40 + [[0, 2]] * 2 + [[3, 4], [4, 3]] * 30 + [[1 + i % 4] for i in range(300)]
    return planted_shop(rows, [["Kitchen", "Coffee"], ["Pets", "Beds"], ["Kitchen", "Tea"], ["Toys", "Dolls"], ["Books", "Crime"]], times)


def explained(data, item, part, lang="en", names=("purchase",)):
    n = data.n_items
    catalogue = Catalogue(data.items, data.item_counts, names)
    known = Associations(CategoryGraph.of(data), data.histories)
    return explain(
        Blended(carried_by_first(item, n).table, part), catalogue, histories("a"), np.array([0]), np.array([item]), lang, known
    ).row(0, named=True)


def test_a_way_across_aisles_is_told_with_its_people_and_lift():
    data = met()
    step = Associations(CategoryGraph.of(data), data.histories).way(0, 1).steps[0]
    found = explained(data, 1, "network")
    assert found["path"] == "Coffee > Beds"
    assert found["reason"] == (
        "“thing 1” (Pets) is suggested mainly because you bought “thing 0” (Kitchen); 40 people bought from both “Coffee” and “Beds”, "
        f"{step.lift:.1f} times as many as by chance."
    )
    assert "40 people have something from both" in explained(data, 1, "network", names=("view", "purchase"))["reason"]
    zh = explained(data, 1, "network", "zh")["reason"]
    assert zh == (
        "推荐“thing 1”（Pets），主要因为您购买过“thing 0”（Kitchen）；"
        f"有 40 人在“Coffee”和“Beds”中都买过商品，是随机情况的 {step.lift:.1f} 倍。"
    )


def test_without_an_edge_no_path_is_claimed():
    found = explained(met(), 4, "network")
    assert found["path"] is None
    assert found["reason"] == "“thing 4” (Books) is suggested by your history as a whole, of which “thing 0” (Kitchen) counts most."
    assert (
        explained(met(), 4, "network", "zh")["reason"] == "综合您的历史记录推荐“thing 4”（Books），其中影响最大的是“thing 0”（Kitchen）。"
    )


def test_the_models_own_evidence_wins_over_the_graphs():
    data = met()
    known = Associations(CategoryGraph.of(data), data.histories)
    past = Histories.from_lists([[3, 0]])  # the graph leads from toys to books; the model's fake from coffee
    assert known.favourite(past.row(0), 4) == 3
    table = explain(carried_by_first(4, 5), Catalogue.of(data), past, np.array([0]), np.array([4]), "en", known)
    assert table["because"].to_list() == ["i0"]
    assert table["path"].to_list() == [None]
    assert "Crime" not in table["reason"][0]


def test_people_are_counted_where_steps_or_other_aisles_carried_the_item():
    assert "; 40 of the 42 people with that went on to this; 40 people bought" in explained(met(), 1, "markov")["reason"]
    assert "; 40 of the 42 people with that have this too; 40 people bought" in explained(met(), 1, "cross-ridge")["reason"]
    assert "；有前者的 42 人中，40 人后来选了后者；" in explained(met(), 1, "markov", "zh")["reason"]
    assert "；有前者的 42 人中，40 人也有后者；" in explained(met(), 1, "cross-ridge", "zh")["reason"]


@pytest.mark.parametrize(("item", "part"), [(2, "markov"), (4, "cross-ridge"), (2, "cross-ridge"), (1, "text-knn")])
def test_a_few_people_are_not_spoken_of(item, part):
    assert "of the" not in explained(met(), item, part)["reason"]


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        (
            "en",
            "; 60 people bought from both “x” and “y” within 90 days, {:.1f} times as many as by chance, "
            "and 60 from both “y” and “z” ({:.1f} times).",
        ),
        ("zh", "；有 60 人 90 天内在“x”和“y”中都买过商品，是随机情况的 {:.1f} 倍，又有 60 人在“y”和“z”中亦然（{:.1f} 倍）。"),
    ],
)
def test_a_chain_is_told_step_by_step(lang, told):
    rows = [[0, 1]] * 60 + [[1, 2]] * 60 + [[3, 4], [4, 5], [5, 3]] * 150
    data = planted_shop(rows, [["A", "x"], ["B", "y"], ["C", "z"], ["D"], ["E"], ["F"]], [[0, 86_400]] * len(rows))
    steps = Associations(CategoryGraph.of(data), data.histories).way(0, 2).steps
    found = explained(data, 2, "network", lang)
    assert found["path"] == "x > y > z"
    assert found["reason"].endswith(told.format(steps[0].lift, steps[1].lift))


def test_inside_an_aisle_an_edge_is_told_where_no_deeper_category_is_shared():
    rows = [[0, 1]] * 60 + [[2, 3], [3, 4], [4, 2]] * 150
    data = planted_shop(rows, [["A", "x"], ["A", "y"], ["D"], ["E"], ["F"]])
    found = explained(data, 1, "network")
    assert found["path"] == "x > y"
    assert "you bought “thing 0” (also in A); 60 people bought from both “x” and “y”, " in found["reason"]


def test_how_much_each_sense_weighs_is_a_column_the_heaviest_first():
    scorer = carried_by_first(1, 2)
    scorer.sense_shares = lambda items: {"id": np.array([0.1, 0.997], np.float32), "text": np.array([0.9, 0.003], np.float32)}
    table = explain(scorer, shop("AB"), histories("a", ""), np.array([0, 1]), np.array([1, 1]))
    assert table["senses"].to_list() == ["text 90%, id 10%", "id 100%"]
    del scorer.sense_shares
    assert "senses" not in explain(scorer, shop("AB"), histories("a"), np.array([0]), np.array([1])).columns
