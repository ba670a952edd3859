"""The state after a history: packed as in training, read alone, and by ONNX Runtime; milliseconds of processor a call, and what it changes.

OMP_NUM_THREADS=1 python benchmarks/service/encoder.py beauty.model --out benchmarks/results/service/encoder.json

Needs onnx and onnxruntime beside the package, and for ``--compiled`` a C++ compiler. Histories have 20 real items each. The arms take turns
call by call, as they would in a service that does other things in between. One thread.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle import Recommender
from crossaisle.data.histories import Histories
from crossaisle.model.history_reader import HistoryReader
from crossaisle.train.packing import pack_for_reading
from crossaisle.train.scoring import states_after

EVENTS = 20


class Plain(nn.Module):
    """What `HistoryReader` does, in operations that ONNX has; for encoders of bare items."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, e: Tensor, lengths: Tensor) -> Tensor:
        b, t, d = e.shape
        encoder = self.encoder
        x = encoder.norm_in(e) + encoder.position[:t]
        steps = torch.arange(t)
        for number, block in enumerate(encoder.blocks):
            heads, wide = block.heads, d // block.heads
            normed, last = block.norm_a(x), number == len(encoder.blocks) - 1
            k, v = F.linear(normed, block.qkv.weight[d:], block.qkv.bias[d:]).view(b, t, 2, heads, wide).permute(2, 0, 3, 1, 4)
            if last:
                newest = (lengths - 1)[:, None, None].expand(b, 1, d)
                x, normed, asking = x.gather(1, newest), normed.gather(1, newest), (lengths - 1)[:, None]
            else:
                asking = steps[None]
            q = F.linear(normed, block.qkv.weight[:d], block.qkv.bias[:d]).view(b, -1, heads, wide).transpose(1, 2)
            distance = asking[:, :, None] - steps
            past = block.bias[:, distance.clamp(min=0)].masked_fill((distance < 0)[None], -math.inf).transpose(0, 1)
            a = ((q @ k.transpose(-1, -2)) / math.sqrt(wide) + past).softmax(-1) @ v
            x = x + block.out(a.transpose(1, 2).reshape(b, -1, d))
            x = x + block.down(F.gelu(block.up(block.norm_f(x))))
        return F.normalize(encoder.norm_out(x[:, 0]), dim=-1)


def exported(plain: Plain, dim: int, folder: Path) -> dict[str, onnxruntime.InferenceSession]:
    """Sessions of one thread, in float32 and with int8 weights."""
    whole, small = folder / "encoder.onnx", folder / "int8.onnx"
    example = (torch.randn(3, EVENTS, dim), torch.tensor([EVENTS, 9, 1]))
    axes = {"e": {0: "b", 1: "t"}, "lengths": {0: "b"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(plain, example, str(whole), input_names=["e", "lengths"], dynamic_axes=axes, dynamo=False, opset_version=17)
    quantize_dynamic(str(whole), str(small), weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return {
        name: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for name, path in (("ONNX Runtime float32", whole), ("ONNX Runtime int8", small))
    }


def arms(net: Any, folder: Path, compiled: bool) -> dict[str, Callable[[Histories], Tensor]]:
    """Ways from histories without events, weights and times to their states, packing included."""
    network, raw = net.network, net.raw_vectors()
    window, table, reader = network.tower.settings.window, raw.numpy(), HistoryReader(network)

    def packed(h: Histories) -> Tensor:
        packing = pack_for_reading(h, window)
        with torch.inference_mode():
            return network.states(raw, packing.rows)[torch.from_numpy(packing.last_row), torch.from_numpy(packing.last_column)]

    def laid(h: Histories) -> np.ndarray:
        places = h.offsets[:-1, None] + np.arange(h.lengths.max())
        return h.items[np.minimum(places, len(h.items) - 1)]

    def through(session: onnxruntime.InferenceSession) -> Callable[[Histories], Tensor]:
        return lambda h: torch.from_numpy(session.run(None, {"e": table[laid(h)], "lengths": h.lengths})[0])

    plain = Plain(network.encoder.requires_grad_(False)).eval()
    out: dict[str, Callable[[Histories], Tensor]] = {
        "packed": packed,
        "HistoryReader": lambda h: states_after(network, raw, h, reader),
        **{name: through(session) for name, session in exported(plain, table.shape[1], folder).items()},
    }
    if compiled:
        fast: Any = torch.compile(plain, dynamic=True)

        def by_compiler(h: Histories) -> Tensor:
            with torch.inference_mode():
                return fast(F.embedding(torch.from_numpy(laid(h)), raw), torch.from_numpy(h.lengths))

        out["torch.compile"] = by_compiler
    return out


def main() -> None:
    """Measure, print and, with --out, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recommender, rng = Recommender.load(asked.model), np.random.default_rng(asked.seed)
    net = recommender._fitted()[0].net
    _, people = recommender._of_users(None)
    bare = Histories.from_arrays(people.offsets, people.items)
    real = bare[rng.permutation(np.flatnonzero(people.lengths >= 3))[:1000]].last(EVENTS)
    items, vectors = rng.permutation(bare.items), torch.from_numpy(net.item_vectors())
    result: dict[str, Any] = {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/service/encoder.py MODEL --calls {asked.calls} --seed {asked.seed}",
        "events": EVENTS,
        "cpu_ms_a_call": {},
        "quality": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        ways = arms(net, Path(folder), asked.compiled)
        right = ways["packed"](real)
        best = (right @ vectors.T).topk(10).indices
        for name, read in ways.items():
            states = read(real)
            top = (states @ vectors.T).topk(10).indices
            overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(top.tolist(), best.tolist(), strict=True)])
            result["quality"][name] = {"largest_difference": float((states - right).abs().max()), "top10_overlap": float(overlap)}
        for batch in (1, 8, 32):
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for call in range(asked.calls + 5):
                at = (call * batch * EVENTS) % (len(items) - batch * EVENTS)
                h = Histories.from_arrays(np.arange(batch + 1) * EVENTS, items[at : at + batch * EVENTS])
                for name in rng.permutation(list(ways)).tolist():
                    before = time.thread_time()
                    ways[name](h)
                    taken[name].append((time.thread_time() - before) * 1e3)
            result["cpu_ms_a_call"][f"batch={batch}"] = {
                name: {"median": round(float(np.median(t[5:])), 3), "tenth": round(float(np.percentile(t[5:], 10)), 3)}
                for name, t in taken.items()
            }
    result["threads"] = 1
    result["machine"] = platform.processor() or platform.machine()
    result["versions"] = {name: version(name) for name in ("torch", "onnxruntime", "numpy")}
    print(json.dumps(result, indent=1))
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
