"""Spaces: what parses, and one clear line for what does not."""

import sys

import pytest

from crossaisle.errors import MissingExtra, SettingError
from crossaisle.presets import AllSettings
from crossaisle.search.space import DEFAULT_SPACE, Axis, optuna_module, parse_space, start_of

SETTINGS = AllSettings()


def test_ranges_and_lists_by_hand():
    found = parse_space(["train.learning_rate = 0.001..0.1:log", "model.blocks=1..3", "train.optimizer=adamw|sgd"], SETTINGS)
    assert found == (
        Axis("train.learning_rate", low=0.001, high=0.1, log=True),
        Axis("model.blocks", whole=True, low=1, high=3),
        Axis("train.optimizer", choices=("adamw", "sgd")),
    )
    optuna = optuna_module()
    assert [axis.distribution() for axis in found] == [
        optuna.distributions.FloatDistribution(0.001, 0.1, log=True),
        optuna.distributions.IntDistribution(1, 3),
        optuna.distributions.CategoricalDistribution(("adamw", "sgd")),
    ]


def test_a_space_reads_what_it_writes():
    for text in (*DEFAULT_SPACE, "model.window=8..64:log", "model.use_times=true|false"):
        (axis,) = parse_space([text], SETTINGS)
        assert parse_space([str(axis)], SETTINGS) == (axis,)


def test_the_default_space_holds_where_it_starts():
    space = parse_space([], SETTINGS)
    assert start_of(space, SETTINGS) == {
        "train.learning_rate": 0.01,
        "train.id_weight_decay": 3.0,
        "model.dropout": 0.4,
        "model.id_dropout": 0.1,
        "model.dim": "128",
    }
    assert start_of(space, SETTINGS.changed({"model.dim": "48"})) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("train.learning_rate", r"--space holds 'train\.learning_rate'; expected SECTION\.KEY=low\.\.high"),
        ("train.learning_rate=", "--space holds"),
        (
            "train.learning_rat=0.1..1",
            r"unknown setting 'train\.learning_rat'; expected a known setting, the nearest is 'train\.learning_rate'",
        ),
        ("blend.by_count=true|false", r"--space names blend\.by_count: the network's validation does not depend on it"),
        ("train.refit=true|false", r"--space names train\.refit: it does not touch the validation figure"),
        ("train.validation_users=10..20", "every trial has to be asked the same questions"),
        ("seed=1..5", "--space names seed"),
        ("train.learning_rate=0.1..0.01", r"the range 0\.1\.\.0\.01; expected a lower end below the higher"),
        ("train.learning_rate=0..0.1:log", "a lower end above 0, as a logarithm is taken"),
        ("train.learning_rate=0.01..0.1:linear", "expected SECTION.KEY=low..high"),
        ("train.learning_rate=low..high", "with float ends"),
        ("model.blocks=1..2.5", "with int ends"),
        ("model.blocks=1..2..3", "with int ends"),
        ("train.learning_rate=0.1..20", r"setting learning_rate is 20\.0; expected a number of at least 0 and at most 10"),
        ("model.dim=64|63", r"model\.dim 63 is no multiple of model\.heads 2"),
        ("model.dim=64|many", r"setting model\.dim is 'many'; expected a value of type int"),
        ("model.dim=64", "expected two or more different ones, such as 64|128"),
        ("model.dim=64|64", "two or more different ones"),
        ("model.dim=64|", "two or more different ones"),
        ("train.optimizer=a..b", r"expected values separated by \|, as it is no number"),
        ("model.use_times=0..1", r"expected values separated by \|"),
        ("train.optimizer=adamw|lion", "setting optimizer is 'lion'; expected one of adamw, adam, sgd"),
    ],
)
def test_bad_spaces_are_one_clear_line(text, line):
    with pytest.raises(SettingError, match=line.replace("SECTION.KEY=low..high", r"SECTION\.KEY=low\.\.high")) as caught:
        parse_space([text], SETTINGS)
    assert "\n" not in str(caught.value)


def test_a_setting_named_twice_is_refused():
    with pytest.raises(SettingError, match=r"--space names model\.dim twice"):
        parse_space(["model.dim=64|128", "model.dim=32..64"], SETTINGS)


def test_without_optuna_the_install_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"searches of settings need .* next: pip install 'crossaisle\[search\]'"):
        optuna_module()
