"""Search in a large catalogue that looks at a part of it: clusters of int8 codes (faiss), the best scored exactly.

Imports: index_exact, index_rows, topk.

An inverted file (Jegou, Douze and Schmid 2011): the vectors are dealt to the nearest of some thousand centres, a query looks into the
clusters of the centres nearest to it. Codes have one byte a dimension; the best of them are scored exactly on the vectors that were given.
Built in a minute where a graph (HNSW) takes many; once built it never changes, so that processes may share the file on disk: what is added
stands in an `ExactIndex` beside it, what is removed is passed over while searching.
"""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from crossaisle.errors import MissingExtra
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.rank.index_rows import Rows, Stored, allowed_rows, checked_items, checked_queries, checked_vectors, padded
from crossaisle.rank.topk import best_of
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["ApproximateIndex"]

_TRAINING = 40
"""Vectors that a centre is learned from; faiss advises 39 to 256."""
_ROUNDS = 8
_CODED_AT_ONCE = 65_536
_MORE = 4
"""So many times k are taken by their codes and scored exactly; at least `_LEAST`."""
_LEAST = 100


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise MissingExtra("approximate indexes of large catalogues", "pip install 'crossaisle[serve]'") from None


class ApproximateIndex:
    """Most of the k best items by inner product, at a fraction of the cost; see `contracts.Index`.

    Parameters
    ----------
    vectors : float32 or float16 (N, D)
        Row = item code. Kept as it is, not copied.
    clusters : int, optional
        Default: four times the square root of N, at most a thirtieth of N.
    probes : int
        Clusters that a query looks into: the more, the fewer misses.
    seed : int
        Which vectors the centres are learned from.

    Raises
    ------
    MissingExtra
        If faiss is not installed.
    """

    def __init__(self, vectors: Stored, *, clusters: int | None = None, probes: int = 64, seed: int = 0) -> None:
        self._start(vectors, probes)
        self._file = self._built(clusters or max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // 30)), seed)

    def _start(self, vectors: Stored, probes: int) -> None:
        self._base = Rows(vectors)
        self._live = np.ones(len(vectors), bool)
        self._added = ExactIndex(vectors[:0])
        self.probes = probes

    def _built(self, clusters: int, seed: int) -> Any:
        faiss, n, dim = _faiss(), len(self._base), self._base.dim
        inner = faiss.METRIC_INNER_PRODUCT
        centres = faiss.IndexFlat(dim, inner)
        file = faiss.IndexIVFScalarQuantizer(centres, dim, clusters, faiss.ScalarQuantizer.QT_8bit_uniform, inner, False)
        file.cp.niter, file.cp.seed, file.cp.spherical = _ROUNDS, seed, True
        file.cp.min_points_per_centroid = 1
        drawn = np.random.default_rng(seed).permutation(n)[: max(_TRAINING * clusters, 10_000)]
        file.train(checked_vectors(self._base.take(np.sort(drawn)), dim))
        for start in range(0, n, _CODED_AT_ONCE):
            items = np.arange(start, min(start + _CODED_AT_ONCE, n), dtype=np.int64)
            file.add(checked_vectors(self._base.take(items), dim))
        return file

    @property
    def n_items(self) -> int:
        """Item codes so far, removed ones among them."""
        return len(self._base) + self._added.n_items

    def __len__(self) -> int:
        """Items that can be found."""
        return int(self._live.sum()) + len(self._added)

    @property
    def bytes(self) -> int:
        """What the index keeps beside the vectors that it was given: codes, ids, centres, and what was added."""
        file = int(self._file.ntotal) * (self._base.dim + 8) + int(self._file.nlist) * self._base.dim * 4
        return file + self._live.nbytes + self._added.bytes

    def add(self, vectors: Floats) -> Ints:
        """New items, found exactly; gives their codes, which follow the last one."""
        return self._added.add(vectors) + len(self._base)

    def grown(self, vectors: Stored) -> Self:
        """As `ExactIndex.grown`; what is not in the file is found exactly."""
        out, n = copy.copy(self), len(self._base)
        out._base, out._added = Rows(vectors[:n]), self._added.grown(vectors[n:])
        return out

    def remove(self, items: Ints) -> None:
        """These items are found no more; see `contracts.Index.remove`."""
        items = checked_items(items, self.n_items)
        self._live[items[items < len(self._base)]] = False
        self._added.remove(items[items >= len(self._base)] - len(self._base))

    def search(self, queries: Floats, k: int, among: Bools | None = None) -> tuple[Floats, Ints]:
        """See `contracts.Index.search`; of the k best some may be missed."""
        queries = checked_queries(queries, self._base.dim, k)
        allowed = allowed_rows(among, len(queries), self.n_items)
        n, out = len(self._base), []
        more, among_more = self._added.search(queries, min(k, max(1, len(self._added))), None if allowed is None else allowed[:, n:])
        for b, query in enumerate(queries):
            items = self._candidates(query, k, self._live if allowed is None else self._live & allowed[b, :n])
            fresh = among_more[b] >= 0
            scores = np.concatenate([self._base.scores(items, query), more[b, fresh]])
            out.append(best_of(scores, np.concatenate([items, among_more[b, fresh] + n]), k))
        return padded(out, k)

    def _candidates(self, query: Floats, k: int, wanted: Bools) -> Ints:
        """Items of the file, the best by their codes."""
        faiss = _faiss()
        left = int(wanted.sum())
        take = min(max(_MORE * k, _LEAST), left)
        if left <= max(take, _LEAST):
            return np.flatnonzero(wanted)
        selector = None if left == len(wanted) else faiss.IDSelectorBitmap(np.packbits(wanted, bitorder="little"))
        # where few items are wanted the nearest clusters may hold none of them
        probes = min(int(self._file.nlist), max(self.probes, -(-self.probes * len(wanted) // left)))
        _, items = self._file.search(query[None], take, params=faiss.SearchParametersIVF(sel=selector, nprobe=probes))
        found: Ints = items[0][items[0] >= 0]
        return found

    # saving

    def save(self, folder: Path) -> None:
        """The file of codes, what was added, and which items are gone."""
        folder.mkdir(parents=True, exist_ok=True)
        _faiss().write_index(self._file, str(folder / "clusters.faiss"))
        np.save(folder / "live.npy", np.packbits(self._live))
        np.save(folder / "added.npy", self._added.vectors())
        self._added.save(folder / "added")
        (folder / "index.json").write_text(json.dumps({"n": len(self._base), "probes": self.probes}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, vectors: Stored) -> Self:
        """The index that was saved, over the vectors that it was built on; its file is mapped, so that processes share it."""
        said = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        out = cls.__new__(cls)
        out._start(vectors[: said["n"]], said["probes"])
        faiss = _faiss()
        out._file = faiss.read_index(str(folder / "clusters.faiss"), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        out._live = np.unpackbits(np.load(folder / "live.npy"), count=said["n"]).astype(bool)
        out._added = ExactIndex.load(folder / "added", np.load(folder / "added.npy"))
        return out
