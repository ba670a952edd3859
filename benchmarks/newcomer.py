"""What feedback that says nothing new does to the list of somebody without a history: ``python benchmarks/newcomer.py MODEL OUT.json``.

Purchases by strangers are drawn in proportion to the events of training, so nothing has changed and the list should stay as it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from crossaisle.live.asking import Ask
from crossaisle.live.engine import Engine
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Event, Records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, now = np.random.default_rng(options.seed), time.time()
    with tempfile.TemporaryDirectory() as folder:
        records = Records.open(f"sqlite:///{folder}/events.db")
        rows, before, sent = [], set[str](), 0
        for n in (0, 20, 200, 2_000):
            engine = Engine(options.model, records, LiveSettings(log_lists=False, learn_seconds=3600.0))
            served = engine._served
            share = served.catalogue.counts / served.catalogue.counts.sum()
            draw = rng.choice(len(share), n - sent, p=share).tolist()
            records.add_events([Event(f"e{sent + k}", f"v{sent + k}", served.ids[i], "purchase", now) for k, i in enumerate(draw)], now)
            sent = n
            engine._learn()
            (answer,) = engine.recommend([Ask(user_id="nobody", n=10)])
            listed = [item["item_id"] for item in answer.items]
            before = before or set(listed)
            held = float(share[[served.codes[item] for item in listed]].sum())
            rows.append({"purchases": n, "same of ten": len(before & set(listed)), "share of the events of training": round(held, 5)})
            print(rows[-1])
            engine.close()
        records.close()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"seed": options.seed, "items": len(share), "lists": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
