"""Kill -9 in the middle of training and of a save, at random moments: the old version loads, and --resume ends with the same scores.

    python benchmarks/kill_nine.py --out benchmarks/results/kill_nine.json

A toy shop is fitted once undisturbed (the reference). A model folder then holds an older version of another seed. In each trial a fit
into that folder is killed: half of the trials at a moment drawn between the first checkpoint and the end of training, half of them while
the new version is being written. After each kill the old version has to load and give its old lists (or, where the kill came after the
pointer moved, the new one has to give the reference's), and the fit run again with --resume has to give the lists of the reference, score
for score.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from crossaisle import Recommender
from crossaisle.testing import toy_dataset

SETTINGS = {"model.dim": "64", "model.heads": "2", "train.epochs": "4", "train.patience": "4", "model.window": "16"}


def write_tables(folder: Path) -> list[str]:
    """A shop large enough for an epoch to take a while; returns the arguments that name it."""
    data = toy_dataset(seed=3, n_users=3000, n_items=600, n_aisles=6)
    h = data.histories
    events = pl.DataFrame({"user_id": data.users.gather(h.owners), "item_id": data.items["item_id"].gather(h.items), "timestamp": h.times})
    events.write_parquet(folder / "interactions.parquet")
    data.items.drop("known").write_parquet(folder / "items.parquet")
    return ["--interactions", str(folder / "interactions.parquet"), "--items", str(folder / "items.parquet")]


def lists(model: Path) -> pl.DataFrame:
    """What the current version says for every user."""
    return Recommender.load(model).recommend("all", k=10)


def main() -> None:
    """Run the trials and write what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tables = write_tables(folder)

        def fit(model: Path, seed: int, *more: str) -> list[str]:
            changes = [part for k, v in SETTINGS.items() for part in ("--set", f"{k}={v}")]
            return [
                sys.executable, "-m", "crossaisle", "fit", *tables, "--out", str(model), "--seed", str(seed), *changes, "--json", *more
            ]  # fmt: skip

        old, reference, work = folder / "old", folder / "reference", folder / "work"
        subprocess.run(fit(old, 1), check=True, capture_output=True)
        clock = time.monotonic()
        subprocess.run(fit(reference, 0), check=True, capture_output=True)
        whole = time.monotonic() - clock
        old_lists, wanted = lists(old), lists(reference)
        trials = []
        for trial in range(asked.trials):
            if work.exists():
                shutil.rmtree(work)
            shutil.copytree(old, work)
            during = "a save" if trial % 2 else "training"
            seconds = kill_during(fit(work, 0), work, during, rng, whole)
            left = sorted(p.name for p in work.iterdir())
            now = lists(work)
            loaded = "old" if now.equals(old_lists) else "new" if now.equals(wanted) else "neither"
            resumed = subprocess.run(fit(work, 0, "--resume"), capture_output=True, text=True)
            same = resumed.returncode == 0 and lists(work).equals(wanted)
            trials.append(
                {"killed_during": during, "after_seconds": round(seconds, 2), "left": left, "loads": loaded, "resume_gives_the_same": same}
            )
            print(trials[-1], flush=True)
    result = {
        "command": f"python benchmarks/kill_nine.py --trials {asked.trials} --seed {asked.seed}",
        "unbroken_fit_seconds": round(whole, 1),
        "old_version_loads": sum(t["loads"] in ("old", "new") for t in trials),
        "resume_gives_the_same": sum(t["resume_gives_the_same"] for t in trials),
        "trials": trials,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n")
    loads, resumes = result["old_version_loads"], result["resume_gives_the_same"]
    print(f"{loads} of {len(trials)} load, {resumes} of {len(trials)} resume to the same scores")


def kill_during(command: list[str], work: Path, during: str, rng: random.Random, whole: float) -> float:
    """Start the command and kill it at a random moment; returns after how many seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock = time.monotonic()
    there: Callable[[], bool]
    if during == "a save":
        there = lambda: any(work.glob(".writing-*"))  # noqa: E731
        extra = rng.uniform(0, 0.15)
    else:
        there = lambda: any((work / ".training").glob("*"))  # noqa: E731
        extra = rng.uniform(0, 0.6 * whole)
    while not there() and process.poll() is None:
        time.sleep(0.002)
    until = time.monotonic() + extra
    while time.monotonic() < until and process.poll() is None and (during == "a save" or not any(work.glob(".writing-*"))):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.monotonic() - clock


if __name__ == "__main__":
    main()
