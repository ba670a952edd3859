"""What a written reason may say: facts pass, everything planted is discarded."""

import dataclasses

import pytest

from crossaisle.rank.check import CAUSES, Facts, fault

EN = Facts(
    "Burr grinder 40 mm",
    "Lava Espresso machine, 15 bar",
    "purchase",
    ("both are in Coffee", "12 of the 340 people with that have this too"),
    ("category", "people"),
)
ZH = Facts("橡木书桌", "护眼台灯", "purchase", ("同为 木语 品牌",), ("brand",), lang="zh")


@pytest.mark.parametrize(
    "sentence",
    [
        "Because you bought the Lava Espresso machine, we suggest the Burr grinder 40 mm.",
        "The Burr grinder is recommended because you bought the Espresso machine.",
        "You bought the Espresso machine, so we recommend the Burr grinder, both in Coffee.",
        "Since you bought the Espresso machine, 12 of the 340 people have the Burr grinder too.",
        "We suggest “Burr grinder 40 mm” as you purchased “Lava Espresso machine, 15 bar”!",
    ],
)
def test_facts_pass(sentence):
    assert fault(sentence, EN) == ""


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [
        ("  ", "empty"),
        ("We suggest the Burr grinder. You bought the Espresso machine.", "sentences"),
        ("You bought the Espresso machine, so we suggest the Burr grinder", "sentences"),
        ("You bought the Espresso machine,\nso we suggest the Burr grinder.", "sentences"),
        ("You bought the Espresso machine, so we suggest the Burr grinder" + ", the Burr grinder" * 20 + ".", "too long"),
        ("You bought the Bosch Espresso machine, so we suggest the Burr grinder.", "foreign word"),
        ("You bought the Espresso machine, so we suggest the best Burr grinder.", "foreign word"),
        ("You bought the Espresso machine, so we suggest the Lava Burr grinder.", "foreign word"),
        ("You looked at the Espresso machine, so we suggest the Burr grinder.", "foreign word"),
        ("You bought not the Espresso machine, so we suggest the Burr grinder.", "foreign word"),
        ("Since you bought the Espresso machine, 45 people have the Burr grinder.", "number"),
        ("Since you bought the Espresso machine, 340 of the 12 people have the Burr grinder.", "number"),
        ("You bought the Burr grinder, so we suggest the Espresso machine.", "swapped"),
        ("The Espresso machine is suggested because you bought the Burr grinder.", "swapped"),
        ("We suggest the Burr grinder.", "too little"),
        ("Because you bought the Espresso machine.", "too little"),
    ],
)
def test_everything_else_is_discarded(sentence, cause):
    assert fault(sentence, EN) == cause
    assert cause in CAUSES


@pytest.mark.parametrize("sentence", ["因为您购买过护眼台灯，为您推荐橡木书桌。", "因为您购买过护眼台灯，推荐同为木语品牌的橡木书桌。"])
def test_chinese_facts_pass(sentence):
    assert fault(sentence, ZH) == ""


@pytest.mark.parametrize(
    ("sentence", "cause"),
    [
        ("因为您购买过橡木书桌，为您推荐护眼台灯。", "swapped"),
        ("因为您购买过护眼台灯，推荐华为橡木书桌。", "foreign word"),
        ("因为您浏览过护眼台灯，推荐橡木书桌。", "foreign word"),
        ("因为您购买过护眼台灯，橡木书桌是最好的选择。", "foreign word"),
        ("因为您购买过3件护眼台灯，为您推荐橡木书桌。", "number"),
        ("因为您购买过护眼台灯。推荐橡木书桌。", "sentences"),
        ("为您推荐橡木书桌。", "too little"),
        ("Because you bought it, we suggest it.", "too little"),
    ],
)
def test_chinese_inventions_are_discarded(sentence, cause):
    assert fault(sentence, ZH) == cause


def test_a_title_may_hold_what_looks_like_the_end_of_a_sentence():
    facts = dataclasses.replace(EN, item="Dr. Bronner soap")
    assert fault("You bought the Espresso machine, so we suggest the Dr. Bronner soap.", facts) == ""


def test_a_wish_is_asked_for_not_bought():
    facts = Facts("Rain cape", "gift for a cyclist", "wish", ("it is in Cycling",), ("category",))
    assert fault("We suggest the Rain cape because you asked for a gift for a cyclist.", facts) == ""
    assert fault("We suggest the Rain cape because you bought a gift for a cyclist.", facts) == "foreign word"
