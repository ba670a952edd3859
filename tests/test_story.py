"""The example notebooks: they are what their source says, hold results of that code and no place of a machine, and run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LANGUAGES = ("en", "zh")

TOLD = """
import json
print(json.dumps({
    "bought": {user: known.filter(pl.col("user_id") == user)["item_id"].unique().to_list() for user in shoppers},
    "aisles": {
        user: known.filter(pl.col("user_id") == user).join(data.items, on="item_id")["category"].unique().to_list() for user in shoppers
    },
    "lists": beyond["en"].to_dicts(),
    "chinese": beyond["zh"]["reason"].to_list(),
    "placebo": [level._asdict() for level in placebo],
    "cold": cold.to_list(),
    "in training": [item for item in cold if item in data.item_codes],
    "cold rows": cold_rows.to_dicts(),
    "rejected": [row["reason"] for row in rejected],
    "losses": [curve["loss"] for curve in curves.values()],
    "attack": attack["rows"],
    "pushed": attack["shilling"],
    "wish": wished["reason"].to_list(),
}))
"""
"""What the cells of a small run are asked at their end."""


@pytest.fixture(scope="module")
def build() -> Iterator[Any]:
    """``examples/build.py`` as a module."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield __import__("build")
    finally:
        sys.path.remove(str(EXAMPLES))
        sys.modules.pop("build", None)


@pytest.fixture(scope="module")
def told(build: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a small run of the notebook found."""
    made = build.notebook("en")
    folder = tmp_path_factory.mktemp("story")
    made.cells.append(nbformat.v4.new_code_cell(TOLD))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSAISLE_STORY", "small")
        build.execute(made, folder)
    assert not list(folder.iterdir()), "the notebook leaves something behind in the folder where it runs"
    found: dict[str, Any] = json.loads("".join(o.text for o in made.cells[-1].outputs if o.get("name") == "stdout"))
    return found


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_notebooks_are_what_the_script_writes(build: Any, lang: str) -> None:
    kept = nbformat.read(build.NOTEBOOKS[lang], as_version=4)
    nbformat.validate(kept)
    written = build.notebook(lang)
    assert [(c.id, c.cell_type, c.source) for c in kept.cells] == [(c.id, c.cell_type, c.source) for c in written.cells], (
        "run: python examples/build.py"
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_results_come_from_this_code_and_name_no_place(build: Any, lang: str) -> None:
    kept = nbformat.read(build.NOTEBOOKS[lang], as_version=4)
    outputs = [o for c in kept.cells if c.cell_type == "code" for o in c.outputs]
    assert outputs
    assert kept.metadata["results_of"] == build.code_hash(kept), "run: python examples/build.py --run"
    assert not [o for o in outputs if o.output_type == "error"]
    complaints = [
        line for o in outputs if o.get("name") == "stderr" for line in o.text.splitlines() if not line.startswith(("note: ", "注："))
    ]
    assert not [line for line in complaints if line.strip()]
    told = json.dumps([{k: v for k, v in o.get("data", {"text": o.get("text")}).items() if k != "image/png"} for o in outputs])
    assert not re.search(r"/tmp/|/home/|/root/|/work/|/Users/|[A-Z]:\\\\|site-packages", told)
    assert any("image/png" in o.get("data", {}) for o in outputs)


def test_both_languages_have_the_same_code_and_as_much_text(build: Any) -> None:
    english, chinese = (build.notebook(lang).cells for lang in LANGUAGES)
    assert [c.cell_type for c in english] == [c.cell_type for c in chinese]
    differ = [(a.source, b.source) for a, b in zip(english, chinese, strict=True) if a.cell_type == "code" and a.source != b.source]
    assert [(b, a.count('LANG = "en"')) for a, b in differ] == [(differ[0][0].replace('LANG = "en"', 'LANG = "zh"'), 1)]


def test_results_of_other_code_are_dropped(build: Any, tmp_path: Path) -> None:
    ran = build.notebook("en")
    code = next(c for c in ran.cells if c.cell_type == "code")
    code.outputs = [nbformat.v4.new_output("stream", text="found")]
    ran.metadata["results_of"] = build.code_hash(ran)
    nbformat.write(ran, tmp_path / "old.ipynb")
    same = build.with_old_results(build.notebook("en"), tmp_path / "old.ipynb")
    assert next(c for c in same.cells if c.cell_type == "code").outputs[0].text == "found"
    changed = build.notebook("en")
    next(c for c in changed.cells if c.cell_type == "code").source += "\nx = 1"
    assert not any(c.get("outputs") for c in build.with_old_results(changed, tmp_path / "old.ipynb").cells)


@pytest.mark.slow
def test_recommendations_lie_in_new_aisles_with_reasons_in_both_languages(told: dict[str, Any]) -> None:
    assert {r["user_id"] for r in told["lists"]} == set(told["bought"])
    for row in told["lists"]:
        assert row["item_id"] not in told["bought"][row["user_id"]]
        assert row["category"] not in told["aisles"][row["user_id"]]
        assert row["title"].strip()[:10] in row["reason"]
    assert all(re.search("[一-鿿]", reason) for reason in told["chinese"])


@pytest.mark.slow
def test_the_placebo_has_no_edge_on_the_level_that_is_shown(told: dict[str, Any]) -> None:
    (level,) = (row for row in told["placebo"] if row["level"] == 2)
    assert level["permuted"] == 0 < level["edges"]


@pytest.mark.slow
def test_new_items_are_unknown_in_training_and_ranked_with_a_reason(told: dict[str, Any]) -> None:
    assert len(told["cold"]) == 2
    assert not told["in training"]
    (row,) = told["cold rows"]
    assert row["item_id"] == told["cold"][0]
    assert row["reason"]
    assert row["because"] not in told["cold"]


@pytest.mark.slow
def test_report_curves_wish_and_attack_say_something(told: dict[str, Any]) -> None:
    assert told["rejected"] == ["missing user_id", "unreadable timestamp", "weight is negative"]
    assert told["losses"]
    assert all(losses[-1] < losses[0] for losses in told["losses"])
    assert any("something for my dog" in reason for reason in told["wish"])
    clean, *attacked = told["attack"]
    assert clean["overlap"] == 1.0
    assert all(row["overlap"] < 1.0 for row in attacked)
    assert told["pushed"]
