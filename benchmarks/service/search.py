"""Search in 100,000 and a million trained item vectors with real people's states: what it costs, and what is missed.

crossaisle fit --interactions T/interactions.parquet --items T/items.parquet --out beauty.model --preset quick \\
    --set train.epochs=2 --set model.senses=id,words
OMP_NUM_THREADS=1 python benchmarks/service/search.py beauty.model --out benchmarks/results/service/search.json
OMP_NUM_THREADS=1 python benchmarks/service/search.py beauty.model --items 50000 --half 20000        # a small one to try out

The items' vectors of length 1 are repeated until there are enough, each time with noise of a tenth of their length, and made of length 1
again. Queries are the states after the histories of people of the model, drawn by chance. One thread. Wall clock and processor are both
kept: on a machine that is shared the processor's time is the steadier one.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from torch.nn import functional as F

from crossaisle import Recommender
from crossaisle.rank.index_approximate import ApproximateIndex
from crossaisle.rank.index_codes import has_int8_units
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.train.scoring import states_after

Search = Callable[[np.ndarray], object]
WANTED = 500


def material(model: Path, n: int, queries: int, seed: int) -> tuple[np.ndarray, np.ndarray, float, int]:
    """float32 (n, D) items, (queries, D) states, the scale of the network's logits, and how many items were trained."""
    recommender = Recommender.load(model)
    net = recommender._fitted()[0].net
    vectors, rng = net.item_vectors(), np.random.default_rng(seed)
    items = np.empty((n, vectors.shape[1]), np.float32)
    for start in range(0, n, len(vectors)):
        part = vectors[: n - start]
        noise = rng.standard_normal(part.shape, dtype=np.float32) * np.float32(0.1 / part.shape[1] ** 0.5)
        items[start : start + len(part)] = part if start == 0 else part + noise
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    _, histories = recommender._of_users(None)
    drawn = rng.permutation(np.flatnonzero(histories.lengths >= 3))[:queries]
    states = states_after(net.network, net.raw_vectors(), histories[drawn])
    return items, F.normalize(states, dim=-1).numpy(), float(net.network.scale.detach()), len(vectors)


def each(search: Search, queries: np.ndarray, batch: int, least: int) -> dict[str, float]:
    """Milliseconds a query: wall clock and processor, of many calls with different queries."""
    wall, cpu = [], []
    for start in range(0, max(least, 1) * batch, batch):
        at = start % (len(queries) - batch + 1)
        asked = np.ascontiguousarray(queries[at : at + batch])
        a, b = time.perf_counter(), time.thread_time()
        search(asked)
        cpu.append((time.thread_time() - b) * 1e3 / batch)
        wall.append((time.perf_counter() - a) * 1e3 / batch)
    wall, cpu = wall[2:], cpu[2:]
    return {
        "calls": len(cpu),
        "cpu_ms": round(float(np.median(cpu)), 4),
        "cpu_ms_p99": round(float(np.percentile(cpu, 99)), 4),
        "wall_ms": round(float(np.median(wall)), 4),
        "wall_ms_p99": round(float(np.percentile(wall, 99)), 4),
    }


def ways(items: np.ndarray) -> dict[str, Search]:
    """Ways to the 500 best of each query; the last also gives log sum exp over all items."""
    dense = torch.from_numpy(items)
    turned, half = dense.T.contiguous(), dense.bfloat16()
    index, plain = ExactIndex(items), ExactIndex(items, int8=False)
    flat, codes = faiss.IndexFlatIP(items.shape[1]), faiss.IndexScalarQuantizer(items.shape[1], faiss.ScalarQuantizer.QT_8bit_uniform, 0)
    flat.add(items)
    codes.train(items)
    codes.add(items)
    return {
        "numpy float32, argpartition": lambda q: np.argpartition(q @ items.T, len(items) - WANTED, axis=1),
        "torch float32, topk": lambda q: torch.topk(torch.from_numpy(q) @ turned, WANTED),
        "torch bfloat16 (not exact), topk": lambda q: torch.topk(torch.from_numpy(q).bfloat16() @ half.T, WANTED),
        "faiss flat float32": lambda q: flat.search(q, WANTED),
        "faiss flat int8 (not exact)": lambda q: codes.search(q, WANTED),
        "ExactIndex, float32 products": lambda q: plain.search(q, WANTED),
        "ExactIndex, ten best": lambda q: index.search(q, 10),
        "ExactIndex": lambda q: index.search(q, WANTED),
        "ExactIndex with log sum exp": lambda q: index.search_and_sum(q, WANTED, 16.0),
    }


def recall(found: np.ndarray, right: np.ndarray) -> float:
    """Mean share of the right items that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, right, strict=True)]))


def timed(make: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    a, b = time.perf_counter(), time.process_time()
    out = make()
    return out, {"wall": round(time.perf_counter() - a, 2), "cpu": round(time.process_time() - b, 2)}


def large(items: np.ndarray, queries: np.ndarray, calls: int, probes: list[int], seed: int) -> dict[str, Any]:
    """Both indexes of the whole catalogue, as built and with items removed."""
    rng = np.random.default_rng(seed)
    exact, exact_seconds = timed(lambda: ExactIndex(items))
    near, near_seconds = timed(lambda: ApproximateIndex(items, seed=seed))
    half = items.astype(np.float16)
    out: dict[str, Any] = {"vectors_mb": {"float32": items.nbytes / 1e6, "float16": half.nbytes / 1e6}}
    out["exact"] = {"build_s": exact_seconds, "mb": exact.bytes / 1e6, "removed": {}}
    with tempfile.TemporaryDirectory() as folder:
        near.save(Path(folder))
        file = sum(p.stat().st_size for p in Path(folder).iterdir() if p.is_file())
        _, load_seconds = timed(lambda: ApproximateIndex.load(Path(folder), items))
    facts = {
        "build_s": near_seconds,
        "load_s": load_seconds,
        "mb": near.bytes / 1e6,
        "file_mb": file / 1e6,
        "clusters": int(near._file.nlist),
    }
    out["approximate"] = {**facts, "removed": {}}
    gone = rng.permutation(len(items))
    for share in (0.0, 0.01, 0.1):
        some = gone[: int(share * len(items))]
        seconds = {name: timed(lambda index=index, some=some: index.remove(some))[1] for name, index in (("exact", exact), ("near", near))}
        right = exact.search(queries, 10)[1]
        out["exact"]["removed"][str(share)] = {
            "remove_s": seconds["exact"],
            **{f"k={k}": each(lambda q, k=k: exact.search(q, k), queries, 1, calls) for k in (10, WANTED)},
            "k=500, batches of 8": each(lambda q: exact.search(q, WANTED), queries, 8, max(10, calls // 8)),
        }
        rows = {}
        for near.probes in probes:
            rows[f"probes={near.probes}"] = {
                "recall@10": recall(near.search(queries, 10)[1], right),
                **{f"k={k}": each(lambda q, k=k: near.search(q, k), queries, 1, calls) for k in (10, WANTED)},
            }
        near.probes = 64
        out["approximate"]["removed"][str(share)] = {"remove_s": seconds["near"], **rows}
        print(json.dumps({"removed": share, "exact": out["exact"]["removed"][str(share)], "near": rows}), flush=True)
    # what one byte a dimension loses where nothing is scored exactly, and half of the exact scores' memory
    whole = ExactIndex(items).search(queries, 10)[1]
    out["codes"] = {
        "int8 alone, every cluster, recall@10": recall(all_clusters(near, queries), whole),
        "int8 then float16, exact index, recall@10": recall(ExactIndex(half).search(queries, 10)[1], whole),
    }
    return out


def all_clusters(index: ApproximateIndex, queries: np.ndarray) -> np.ndarray:
    """The ten best by their codes alone, every cluster looked into."""
    return index._file.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=int(index._file.nlist)))[1]


def main() -> None:
    """Measure, print and, with --out, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--half", type=int, default=100_000, help="items of the comparison of exact ways")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--probes", type=lambda text: [int(p) for p in text.split(",")], default=[32, 64, 128])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    items, queries, scale, trained = material(asked.model, asked.items, asked.queries, asked.seed)
    few = items[: asked.half]
    result: dict[str, Any] = {
        "command": f"python benchmarks/service/search.py MODEL --items {asked.items} --half {asked.half} --queries {asked.queries} "
        f"--calls {asked.calls} --probes {','.join(map(str, asked.probes))} --seed {asked.seed}",
        "items": {"trained": trained, "with noise": asked.items, "dim": items.shape[1]},
        "queries": len(queries),
        "exact_ways_ms_a_query": {},
    }
    for name, search in ways(few).items():
        row = {f"batch={b}": each(search, queries, b, max(12, asked.calls // (3 * b))) for b in (1, 8, 32)}
        result["exact_ways_ms_a_query"][name] = row
        print(name, {b: r["cpu_ms"] for b, r in row.items()}, flush=True)
    _, _, sums = ExactIndex(few).search_and_sum(queries, WANTED, scale)
    right = torch.logsumexp(scale * (torch.from_numpy(queries).double() @ torch.from_numpy(few).double().T), 1).numpy()
    result["log_sum_exp"] = {"scale": scale, "largest_error": float(abs(sums - right).max()), "mean_error": float(abs(sums - right).mean())}
    print(result["log_sum_exp"], flush=True)
    result["large"] = large(items, queries, asked.calls, asked.probes, asked.seed)
    result["threads"] = 1
    result["machine"] = platform.processor() or platform.machine()
    result["int8_units"] = has_int8_units()
    result["versions"] = {name: version(name) for name in ("torch", "faiss-cpu", "numpy")}
    print(json.dumps({k: v for k, v in result["large"].items() if k != "removed"}, indent=1))
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
