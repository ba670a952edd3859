"""What size costs: a made-up shop read, cleaned, split and counted, an epoch of training, and the law that time and memory follow.

    python benchmarks/scale.py read                       # 5 million interactions, 200,000 items; the target is 60 s and 4 GB
    python benchmarks/scale.py epoch                      # one epoch of `quick` at that size, on ids and words
    python benchmarks/scale.py epoch --steps 60           # a part of it, extrapolated
    python benchmarks/scale.py table                      # 10^4 to 2x10^5 items by 10^5 to 5x10^6 interactions

The preset reads a language model's vectors too (--senses id,text,words): a catalogue is read once, at the speed that `epoch` reports as
"texts". `--interactions` and `--items` change the size, `--out` the folder of the results. Each measurement runs in a process of its own,
whose peak memory is what the operating system saw. On a machine that does other work, processor seconds say more than the clock's; both
are kept. Imports: scale_shop, scale_law.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scale_law import write_table
from scale_shop import Shop, write_shop

RESULTS = Path(__file__).resolve().parent / "results" / "scale"
ITEMS, INTERACTIONS = (10_000, 50_000, 200_000), (100_000, 1_000_000, 5_000_000)
STEPS = ("_read_all", "_events", "_items", "_without_duplicates", "complete_catalogue", "_assemble", "describe")
WARM_UP = 5
SAMPLE_TEXTS = 256


def peak_gb() -> float:
    """The most memory this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class Clock:
    """Seconds, processor seconds (of all threads) and peak memory of named steps."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()
        self.steps: dict[str, dict[str, float]] = {}

    def total(self) -> dict[str, float]:
        """Since the clock was made."""
        wall, cpu = self.start
        return {
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "peak_gb": round(peak_gb(), 2),
        }

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what stands inside."""
        inner = Clock()
        yield
        self.steps[name] = inner.total()

    def around(self, module: Any, names: tuple[str, ...]) -> None:
        """Time these functions of a module when they are called."""

        def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def timed(*args: Any, **named: Any) -> Any:
                with self.step(name.strip("_")):
                    return call(*args, **named)

            return timed

        for name in names:
            setattr(module, name, wrap(name, getattr(module, name)))


def read(folder: Path) -> dict[str, Any]:
    """Read, clean, split in two ways and count; by step."""
    clock = Clock()
    with clock.step("import"):
        from crossaisle.data import build
        from crossaisle.data.report import render_report
        from crossaisle.data.split import leave_one_out, time_split
    clock.around(build, STEPS)
    data = build.build_dataset(folder / "interactions.parquet", folder / "items.parquet")
    with clock.step("leave_one_out"):
        questions = len(leave_one_out(data).test)
    with clock.step("time_split"):
        later = len(time_split(data).test)
    with clock.step("render_report"):
        render_report(data.report)
    kept = {k: data.report["tables"]["interactions"][k] for k in ("rows", "rejected", "duplicates", "kept")}
    found = {"users": data.n_users, "questions": {"leave-one-out": questions, "time-split": later}, **kept}
    return clock.total() | {"steps": clock.steps, "found": found}


class Enough(Exception):
    """Raised by the progress bar to end a fit that has been timed for long enough."""


class StepTimes:
    """A progress bar that notes when each training step ended."""

    def __init__(self, most_steps: int, most_seconds: float) -> None:
        self.most_steps, self.most_seconds = most_steps, most_seconds
        self.ends: list[tuple[float, float]] = []
        self.steps = 0

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if stage != "training":
            return
        self.ends.append((time.perf_counter(), time.process_time()))
        self.steps = total
        wall = self.ends[-1][0] - self.ends[0][0]
        long = self.most_seconds and wall > self.most_seconds and len(self.ends) > 2 * WARM_UP
        if len(self.ends) < total and (long or len(self.ends) == self.most_steps):
            raise Enough

    def times(self) -> dict[str, Any]:
        """Milliseconds a step without the first few, and the seconds of an epoch: counted, or extrapolated where it was cut short."""
        first = min(WARM_UP, len(self.ends) - 2)
        n = len(self.ends) - 1 - first
        wall, cpu = ((self.ends[-1][i] - self.ends[first][i]) / n for i in (0, 1))
        return {
            "steps_timed": n,
            "steps_an_epoch": self.steps,
            "ms_a_step": round(1e3 * wall, 1),
            "cpu_ms_a_step": round(1e3 * cpu, 1),
            "epoch_seconds": round(wall * self.steps, 1),
            "epoch_cpu_seconds": round(cpu * self.steps, 1),
            "extrapolated": len(self.ends) < self.steps,
        }


def epoch(folder: Path, senses: str, most_steps: int, most_seconds: float) -> dict[str, Any]:
    """One epoch of ``quick`` with validation after it, or the first steps of it; and what the forecast said."""
    from crossaisle.data.build import build_dataset
    from crossaisle.encode.items import ItemReader
    from crossaisle.forecast import measure_speed, predict, work_of
    from crossaisle.presets import preset_settings
    from crossaisle.train.fit import NetworkScorer

    settings = preset_settings("quick", {"model.senses": senses, "train.epochs": "1", "train.refit": "false"})
    clock = Clock()
    with clock.step("build"):
        data = build_dataset(folder / "interactions.parquet", folder / "items.parquet")
    with clock.step("forecast"):
        said = predict(work_of(data, settings), settings, measure_speed())
    reader = ItemReader(settings.model.senses, settings.text, settings.words)
    scorer = NetworkScorer(settings.model, settings.train, reader, seed=0)
    bar, finished = StepTimes(most_steps, most_seconds), True
    with clock.step("fit"):
        try:
            scorer.fit(data, progress=bar)
        except Enough:
            finished = False
    out = clock.total() | {"senses": senses, "negatives": settings.train.negatives_of(data.n_items), "steps": clock.steps} | bar.times()
    out["forecast"] = {"epoch_seconds": round(60 * said["training_minutes"], 1), "memory_gb": round(said["memory_gb"], 2)}
    if finished:
        out["validation"] = {"seconds": round(time.perf_counter() - bar.ends[-1][0], 1), "n_at_10": round(scorer.selection.scores[0], 5)}
        out["loss"] = round(scorer.selection.losses[0], 4)
    return out


def texts(folder: Path) -> dict[str, Any]:
    """How fast the language model reads item texts, on a sample of them; a catalogue is read once and then kept in a cache."""
    import polars as pl

    from crossaisle.data.items import typed_items
    from crossaisle.encode.fields import item_texts
    from crossaisle.encode.text import choose_reader
    from crossaisle.presets import preset_settings

    items, _, _ = typed_items(pl.read_parquet(folder / "items.parquet"), "items")
    said = sorted(set(item_texts(items)))
    sample = said[:: max(1, len(said) // SAMPLE_TEXTS)][:SAMPLE_TEXTS]
    reader, _ = choose_reader(preset_settings("quick").text, said, "cpu")
    reader.encode(sample[:16])
    clock = Clock()
    reader.encode(sample)
    took = clock.total()
    rates = {k: took[k] / len(sample) for k in ("seconds", "cpu_seconds")}
    return (
        {"reader": reader.name, "texts": len(said), "texts_timed": len(sample)}
        | {f"all_{k}": round(rate * len(said)) for k, rate in rates.items()}
        | {"extrapolated": True}
    )


PARTS: dict[str, Callable[..., dict[str, Any]]] = {"read": read, "epoch": epoch, "texts": texts}


def alone(part: str, folder: Path, *more: Any) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "part", part, str(folder), *(json.dumps(value) for value in more)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(part, folder.name, {k: v for k, v in result.items() if not isinstance(v, dict)}, flush=True)
    return result


def shop(asked: argparse.Namespace, scratch: Path, interactions: int, items: int) -> Path:
    """The folder of a shop of this size, made in a process of its own."""
    folder = (asked.tables or scratch) / f"{interactions}x{items}"
    if not (folder / "interactions.parquet").exists():
        subprocess.run([sys.executable, __file__, "part", "shop", str(folder), str(interactions), str(items), str(asked.seed)], check=True)
    return folder


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import polars as pl
    import torch

    from crossaisle.encode.transformer import has_bfloat16_units

    return {
        "cores": os.cpu_count(),
        "polars_threads": pl.thread_pool_size(),
        "torch_threads": torch.get_num_threads(),
        "load_at_start": round(os.getloadavg()[0], 1),
        "bfloat16_units": has_bfloat16_units(),
        "versions": {"python": platform.python_version(), "polars": pl.__version__, "torch": torch.__version__},
    }


def keep(out: Path, name: str, result: dict[str, Any]) -> None:
    """Write one result."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure what was asked for."""
    if sys.argv[1:2] == ["part"]:
        name, folder, more = sys.argv[2], Path(sys.argv[3]), [json.loads(value) for value in sys.argv[4:]]
        if name == "shop":
            write_shop(Shop(*more[:2], seed=more[2]), folder)
        else:
            print(json.dumps(PARTS[name](folder, *more)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("read", "epoch", "table"))
    parser.add_argument("--interactions", type=int, default=INTERACTIONS[-1])
    parser.add_argument("--items", type=int, default=ITEMS[-1])
    parser.add_argument(
        "--senses", default="id,words", help="of the network; with text among them the language model reads the whole catalogue"
    )
    parser.add_argument("--steps", type=int, default=0, help="end the epoch after so many steps and extrapolate (0: run it all)")
    parser.add_argument("--seconds", type=float, default=0, help="end it after so many seconds (0: run it all; in the table: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=Path, help="keep the made-up tables here and use them again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    changed = [f"--{k} {v}" for k, v in vars(asked).items() if k not in ("what", "tables", "out") and v != parser.get_default(k)]
    facts = {"command": " ".join(["python benchmarks/scale.py", asked.what, *changed]), "machine": machine()}
    with tempfile.TemporaryDirectory() as scratch:
        if asked.what == "table":
            cells = []
            for interactions in INTERACTIONS:
                for items in ITEMS:
                    folder = shop(asked, Path(scratch), interactions, items)
                    trained = alone("epoch", folder, asked.senses, asked.steps, asked.seconds or 20)
                    cells.append({"interactions": interactions, "items": items, "read": alone("read", folder), "epoch": trained})
                    keep(asked.out, "table", facts | {"cells": cells})
            write_table(asked.out)
            return
        folder = shop(asked, Path(scratch), asked.interactions, asked.items)
        size = {"interactions": asked.interactions, "items": asked.items}
        if asked.what == "read":
            keep(asked.out, "read", facts | size | alone("read", folder))
        else:
            extra = {"texts": alone("texts", folder)}
            keep(asked.out, "epoch", facts | size | alone("epoch", folder, asked.senses, asked.steps, asked.seconds) | extra)


if __name__ == "__main__":
    main()
