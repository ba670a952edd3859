"""How often is a written reason discarded, and what does the check let through? Run: python benchmarks/writer.py beauty --writer smollm2

The facts are those of real reasons: lists of a small model of Beauty (or of the Chinese item file with made-up histories, see
benchmarks/wish.py) for some of its people. (1) A language model words them; counted is what the check discards, by cause. (2) Sentences
that are true by construction, and the same with one false fact planted: another item of the catalogue in place of the history item or
of the listed one, the history item's first word or one word of another title before the listed item, a number that is nowhere, history
item and listed item swapped, praise that no fact holds. Counted is how often the check discards the true ones and lets the
false ones through; what happens to be true (another title with the same words) is not planted. ``--writer ""`` measures (2) alone.
Written are figures only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from wish import beauty, chinese

from crossaisle import Recommender
from crossaisle.rank.check import Facts, fault
from crossaisle.rank.settings import WriterSettings
from crossaisle.rank.writer import choose_writer

ROOT = Path(__file__).resolve().parents[1]
DEED = {
    "en": {
        "purchase": "bought",
        "view": "viewed",
        "cart": "added",
        "rating": "rated",
        "like": "liked",
        "wish": "asked for",
        "": "have in your history",
    },
    "zh": {
        "purchase": "购买过",
        "view": "浏览过",
        "cart": "加入购物车",
        "rating": "评价过",
        "like": "收藏过",
        "wish": "想要",
        "": "历史记录中有",
    },
}


class Recorder:
    """A writer that keeps the facts and writes nothing."""

    name = "recorder"

    def __init__(self) -> None:
        self.facts: list[Facts] = []

    def write(self, facts: Any, progress: Any = None) -> list[str]:
        """Nothing for each."""
        self.facts += facts
        return [""] * len(facts)


def sentence(facts: Facts, item: str = "", cause: str = "", more: str = "") -> str:
    """True where nothing but the facts is put in."""
    deed = DEED[facts.lang][facts.deed]
    if facts.lang == "zh":
        return f"因为您{deed}“{cause or facts.cause}”，为您推荐{more}“{item or facts.item}”。"
    return f"Because you {deed} “{cause or facts.cause}”, we suggest the {more}{item or facts.item}."


def planted(facts: Facts, others: list[Facts], rng: np.random.Generator) -> dict[str, str]:
    """One false sentence of each kind, where there is something to be false about."""
    other = others[int(rng.integers(len(others)))]
    zh = facts.lang == "zh"
    known = " ".join((facts.item, facts.cause, *facts.statements)).casefold()
    words = (
        [w for w in (other.item[:2], other.item[-2:]) if w not in known]
        if zh
        else [w for w in other.item.split() if w.casefold() not in known]
    )
    out = {
        "swapped": sentence(facts, facts.cause, facts.item),
        "praise": sentence(facts, more="最好的" if zh else "best "),
        "number": sentence(facts, more=f"{rng.integers(1001, 9999)}人选择的" if zh else f"{rng.integers(1001, 9999)} people's "),
    }
    if other.item.casefold() not in known:
        out |= {"other item": sentence(facts, item=other.item), "other history item": sentence(facts, cause=other.item)}
    if words:
        out["one foreign word"] = sentence(facts, more=words[0] + ("" if zh else " "))
    first = facts.cause[:3] if zh else facts.cause.split()[0]
    if first.casefold() not in facts.item.casefold() and not zh:
        out["history item's first word (its brand) before the listed item"] = sentence(facts, more=first + " ")
    return out


def gathered(asked: argparse.Namespace) -> tuple[list[Facts], str]:
    """The facts of the lists of some people."""
    data = beauty(asked.users, asked.seed) if asked.data == "beauty" else chinese(asked.users, asked.seed)[0]
    small = {"train.epochs": "2", "train.refit": "false"} | (
        {} if asked.data == "beauty" else {"model.dim": "64", "train.tokens_per_step": "512"}
    )
    model = Recommender.preset("quick", seed=asked.seed, settings=small).fit(data)
    recorder = Recorder()
    model._writers["recorder"] = recorder
    for start in range(0, len(model.users), 20):
        model.recommend(
            model.users[start : start + 20], k=5, explain=True, lang="zh" if asked.data == "chinese" else "en", writer="recorder"
        )
        if len(recorder.facts) >= asked.reasons:
            break
    return recorder.facts[: asked.reasons], model.info()["reader"]


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("beauty", "chinese"))
    parser.add_argument("--writer", default="", help="as crossaisle recommend --writer; empty: only what is planted")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--reasons", type=int, default=300)
    parser.add_argument("--written", type=int, default=100, help="so many of the reasons are worded by the writer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    start, rng = time.perf_counter(), np.random.default_rng(asked.seed)
    facts, reader = gathered(asked)
    true = Counter(fault(sentence(f), f) or "passed" for f in facts)
    through: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for f in facts:
        for kind, false in planted(f, facts, rng).items():
            tried[kind] += 1
            through[kind] += not fault(false, f)
    result: dict[str, Any] = {
        "what": "written reasons that the check discards, and planted false ones that it lets through",
        "command": f"python benchmarks/writer.py {asked.data} "
        + " ".join(f"--{name} {getattr(asked, name)!r}" for name in ("writer", "users", "reasons", "written", "seed")),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy")},
        "seed": asked.seed,
        "reader": reader,
        "reasons": len(facts),
        "true sentences": dict(true.most_common()),
        "planted": {kind: {"tried": tried[kind], "let through": through[kind]} for kind in tried},
    }
    writer = choose_writer(WriterSettings(model=asked.writer))
    if writer is not None:
        some, before = facts[: asked.written], time.perf_counter()
        causes = Counter(fault(s, f) or "passed" for s, f in zip(writer.write(some), some, strict=True))
        result["worded"] = {
            "writer": asked.writer if "://" not in asked.writer else "remote",
            "reasons": len(some),
            **dict(causes.most_common()),
        }
        result["seconds a reason"] = round((time.perf_counter() - before) / max(1, len(some)), 2)
    result["minutes"] = round((time.perf_counter() - start) / 60, 2)
    out = asked.out or ROOT / f"benchmarks/results/writer/{asked.data}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
