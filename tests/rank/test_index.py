"""Both indexes keep the contract, the exact one never misses, and the approximate one misses little."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.errors import MissingExtra
from crossaisle.rank.index import choose_index
from crossaisle.rank.index_approximate import ApproximateIndex
from crossaisle.rank.index_codes import Codes, has_int8_units
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.schema import Floats, Ints
from crossaisle.testing import index_contract

pytest.importorskip("faiss")


def vectors_of(n: int, dim: int = 16, seed: int = 0) -> Floats:
    """Clustered vectors of length 1."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, n // 40), dim))
    out = centres[rng.integers(len(centres), size=n)] + 0.5 * rng.standard_normal((n, dim))
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def by_hand(vectors: Floats, queries: Floats, k: int) -> Ints:
    """Items by exact inner products in float64, ties by item."""
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return np.lexsort((np.broadcast_to(np.arange(scores.shape[1]), scores.shape), -scores.round(6)), axis=1)[:, :k]


MAKERS: dict[str, Callable[[Floats], ExactIndex | ApproximateIndex]] = {
    "exact": ExactIndex,
    "exact without int8": lambda v: ExactIndex(v, int8=False),
    "approximate": ApproximateIndex,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_contract(make: Callable[[Floats], ExactIndex | ApproximateIndex], tmp_path: Path) -> None:
    index_contract(make, vectors_of(600), tmp_path)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 400),
    dim=st.integers(1, 40),
    k=st.integers(1, 60),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-4, 1.0, 300.0]),
    int8=st.booleans(),
)
def test_exact_never_misses(n: int, dim: int, k: int, seed: int, scale: float, int8: bool) -> None:
    """Whole numbers, so that float32 has the exact products: then ties and order can be compared one by one."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-9, 10, (n, dim)).astype(np.float32)
    queries = rng.integers(-9, 10, (3, dim)).astype(np.float32)
    scores, items = ExactIndex(vectors * np.float32(scale), int8=int8 and has_int8_units()).search(queries, k)
    right = queries @ vectors.T
    expected = np.lexsort((np.broadcast_to(np.arange(n), right.shape), -right), axis=1)[:, :k]
    if scale == 1.0:
        assert items[:, : min(k, n)].tolist() == expected.tolist()
    np.testing.assert_allclose(scores[:, : min(k, n)], scale * np.take_along_axis(right, expected, 1), rtol=1e-4, atol=1e-4 * scale)


def test_exact_finds_a_best_item_that_its_code_hides() -> None:
    """One huge value makes an item's code coarse: what is left of it is rounded to nothing, and still it is found."""
    vectors = np.zeros((3000, 8), np.float32)
    vectors[:, 1] = np.linspace(0.0, 0.9, 3000)
    vectors[7, :2] = 400.0, 1.0
    scores, items = ExactIndex(vectors).search(np.array([[0, 1, 0, 0, 0, 0, 0, 0]], np.float32), 1)
    assert (items.item(), scores.item()) == (7, 1.0)


def test_exact_equals_the_whole_product_in_a_larger_catalogue() -> None:
    vectors = vectors_of(30_000, 32)
    queries = vectors_of(7, 32, seed=1)
    found = ExactIndex(vectors).search(queries, 50)[1]
    assert found.tolist() == by_hand(vectors, queries, 50).tolist()


def test_sum_over_all_items() -> None:
    vectors, queries = vectors_of(5000), vectors_of(4, seed=2)
    index = ExactIndex(vectors)
    index.remove(np.arange(0, 5000, 7))
    left = np.setdiff1d(np.arange(5000), np.arange(0, 5000, 7))
    scores, items, sums = index.search_and_sum(queries, 20, 20.0)
    assert np.array_equal(items, index.search(queries, 20)[1])
    assert np.array_equal(scores, index.search(queries, 20)[0])
    right = torch.logsumexp(20.0 * torch.from_numpy(queries @ vectors[left].T).double(), 1).numpy()
    np.testing.assert_allclose(sums, right, atol=5e-3)
    none = np.zeros(5000, bool)
    assert index.search_and_sum(queries, 20, 20.0, none)[2].tolist() == [-np.inf] * 4


def test_sum_where_every_term_is_exact() -> None:
    """With k the whole catalogue nothing is nearly right any more, also at a scale where the terms would overflow float32."""
    vectors, queries = vectors_of(300), vectors_of(4, seed=2)
    _, _, sums = ExactIndex(vectors).search_and_sum(queries, 300, 100.0)
    np.testing.assert_allclose(sums, torch.logsumexp(100.0 * torch.from_numpy(queries @ vectors.T), 1).numpy(), rtol=1e-5)


def test_float16_vectors_are_scored_in_float32() -> None:
    half = vectors_of(2000).astype(np.float16)
    queries = vectors_of(3, seed=3)
    index = ExactIndex(half)
    index.add(vectors_of(5, seed=4))
    assert index.search(queries, 10)[0].dtype == np.float32
    whole = np.concatenate([half, vectors_of(5, seed=4).astype(np.float16)]).astype(np.float32)
    assert index.search(queries, 10)[1].tolist() == ExactIndex(whole).search(queries, 10)[1].tolist()


def test_codes_are_within_half_a_step() -> None:
    codes, vectors = Codes(16, exact=False), vectors_of(50)
    codes.append(vectors)
    step = np.abs(vectors).max(axis=1, keepdims=True) / 127
    assert np.abs(codes.snapshot() * step - vectors).max() <= 0.5001 * step.max()
    assert np.abs(codes.snapshot()).max() == 127


def test_a_processor_without_int8_units_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert not has_int8_units.__wrapped__()


def test_int8_products_that_saturate_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True}, raising=False)
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: torch.full((len(a), b.shape[1]), 32767, dtype=torch.int32), raising=False)
    assert not has_int8_units.__wrapped__()


def test_approximate_recall_and_a_placebo() -> None:
    """Of 20,000 items most of the ten best are found, also when a third is gone; with one cluster looked into, fewer."""
    vectors, queries = vectors_of(20_000, 32), vectors_of(50, 32, seed=5)
    index = ApproximateIndex(vectors)

    def recall(found: ExactIndex | ApproximateIndex, gone: Ints) -> float:
        exact = ExactIndex(vectors)
        exact.remove(gone)
        right, mine = exact.search(queries, 10)[1], found.search(queries, 10)[1]
        return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(mine.tolist(), right.tolist(), strict=True)]))

    nothing: Ints = np.empty(0, np.int64)
    whole = recall(index, nothing)
    assert whole >= 0.95
    index.probes = 1
    assert recall(index, nothing) < whole - 0.1
    index.probes = 64
    gone = np.arange(0, 20_000, 3)
    index.remove(gone)
    assert recall(index, gone) >= 0.95


def test_approximate_finds_the_few_of_a_rare_aisle() -> None:
    vectors = vectors_of(5000, 16)
    among = np.zeros(5000, bool)
    among[[3, 4000, 4990]] = True
    assert set(ApproximateIndex(vectors).search(vectors[:1], 5, among)[1][0].tolist()) == {3, 4000, 4990, -1}


def test_size_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = vectors_of(300)
    assert isinstance(choose_index(vectors), ExactIndex)
    assert isinstance(choose_index(vectors, exact_up_to=299), ApproximateIndex)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert isinstance(choose_index(vectors), ExactIndex)
    with pytest.raises(MissingExtra, match=r"approximate indexes of large catalogues need .*pip install 'crossaisle\[serve\]'"):
        choose_index(vectors, exact_up_to=299)


@pytest.mark.parametrize("exact", [True, False])
def test_two_threads_that_grow_the_same_codes_do_not_write_to_the_same_place(monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    first = Codes(16, exact)
    first.append(vectors_of(50))
    first.append(vectors_of(1))  # from here on there is room
    one, other, coded = copy.copy(first), copy.copy(first), Codes._coded
    mine = 1_000 * vectors_of(53)[51:]  # a snapshot is whole numbers

    def slowly(codes: Codes, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float, float]:
        if codes is one:  # meanwhile, as from another thread
            other.append(-mine)
        return coded(codes, vectors)

    monkeypatch.setattr(Codes, "_coded", slowly)
    one.append(mine)
    assert (one.snapshot()[51:] == -other.snapshot()[51:]).all()
    assert one.snapshot()[51:].any()
