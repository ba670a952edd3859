"""The item tower: a mapping of senses with presence marks becomes one vector an item. Imports: settings, fusion, adapter.

    e_i = a_i m_i v_i  +  fusion over senses s present at i of  P_s(x_is)

v_i is the id vector, a_i marks items that were trained on (a never-trained id vector would be noise, so cold items have none) and
m_i ~ Bernoulli(1 - id_dropout) while training. P_s is a linear map of whitened vectors for a dense sense (Su et al. 2021,
"Whitening Sentence Representations", eq. 6, as the fixed first layer) and a learned vector a word for a sparse one. Items of an aisle
that joined a finished network are corrected by its adapter.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, TypeVar, cast

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from crossaisle.encode.components import fixed_signs, principal_components
from crossaisle.encode.senses import Sense, Senses
from crossaisle.errors import SettingError
from crossaisle.model.adapter import AisleAdapter
from crossaisle.model.fusion import Fusion
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["ItemTower", "Shift", "Whitening", "copied"]

_Module = TypeVar("_Module", bound=nn.Module)


def copied(module: _Module) -> _Module:
    """A copy that shares every array with the module; what is attached to the one is not attached to the other."""
    kinds = (Tensor, csr_matrix, tuple)
    held = [v for m in module.modules() for d in (m._parameters, m._buffers, m.__dict__) for v in d.values() if isinstance(v, kinds)]
    return copy.deepcopy(module, {id(v): v for v in held})


class Whitening(nn.Module):
    """x -> (x - mean) @ matrix: centred, the leading components at equal variance, mean squared length 1."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.zeros(width, dim))

    def fit(self, x: Floats) -> None:
        """Fit on the rows of x, float32 (N, width); components beyond its rank are left at zero, all of them where there is no row."""
        if len(x) == 0:
            return
        x64 = x.astype(np.float64)
        mean = x64.mean(0)
        covariance = np.cov((x64 - mean).T) if len(x) > 1 else np.zeros((x.shape[1],) * 2)
        variances, directions = principal_components(np.atleast_2d(covariance), self.matrix.shape[1])
        k = len(variances)
        matrix = np.zeros(self.matrix.shape)
        matrix[:, :k] = directions / np.sqrt(variances) / np.sqrt(max(k, 1))
        self.mean.copy_(torch.from_numpy(mean))
        self.matrix.copy_(torch.from_numpy(fixed_signs(matrix)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.matrix


class _BagSum(torch.autograd.Function):
    """bags @ table for a fixed sparse matrix, with the transposed matrix at hand for the backward pass."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, bags: Tensor, bags_t: Tensor) -> Tensor:
        ctx.bags_t = bags_t
        return bags @ table

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.bags_t @ grads[0], None, None


def _torch_csr(m: csr_matrix) -> Tensor:
    parts = (
        torch.from_numpy(m.indptr.astype(np.int64)),
        torch.from_numpy(m.indices.astype(np.int64)),
        torch.from_numpy(m.data.astype(np.float32)),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(*parts, size=m.shape, check_invariants=False)


class _DenseSense(nn.Module):
    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        self.whiten = Whitening(width, min(settings.text_dim, width))
        self.project = nn.Linear(min(settings.text_dim, width), settings.dim, bias=False)
        self.scale = settings.text_scale
        self._x: Tensor | None = torch.empty(0)
        self._values: Tensor | None = None
        self.present: Tensor = torch.empty(0, dtype=torch.bool)
        self.fresh: tuple[Tensor, Tensor] | None = None
        self.shift: Shift | None = None

    def attach(self, sense: Sense) -> None:
        values = torch.from_numpy(np.ascontiguousarray(sense.values, dtype=np.float32)).to(self.whiten.mean.device)
        self.present = torch.from_numpy(sense.present).to(values.device)
        self._values, self._x = values, None

    @property
    def x(self) -> Tensor:
        """float32 (N, W): the whitened vectors; made when they are first asked for, so that attaching costs nothing."""
        if self._x is None:
            assert self._values is not None
            with torch.inference_mode(False), torch.no_grad():  # whoever asks first, training may use it afterwards
                self._x = self.scale * self.whiten(self._values) * self.present[:, None]
            self._values = None
        return self._x

    def _said(self, rows: Tensor | None) -> Tensor:
        """float32 (R, W): `x` of the chosen rows; where nothing is trained, not more is whitened for it."""
        if rows is None or self._x is not None or self.training:
            return self.x if rows is None else self.x[rows]
        assert self._values is not None
        out: Tensor = self.scale * self.whiten(self._values[rows]) * self.present[rows][:, None]
        return out

    def forward(self, rows: Tensor | None) -> Tensor:
        said = self._said(rows)
        out: Tensor = self.project(said if self.shift is None else self.shift.add(said, rows))
        return out if self.fresh is None else self._with_fresh(out, rows, *self.fresh)

    def _with_fresh(self, out: Tensor, rows: Tensor | None, codes: Tensor, values: Tensor) -> Tensor:
        """Rows of ``out`` (R, D) that belong to items ``codes`` (K,), read from raw ``values`` (K, width) with their gradient."""
        found: Tensor = self.project(self.scale * self.whiten(values) * self.present[codes][:, None])
        if rows is None:
            return out.index_copy(0, codes, found)
        place = torch.full((len(self.x),), -1, device=codes.device)
        place[codes] = torch.arange(len(codes), device=codes.device)
        which = place[rows]
        here = torch.nonzero(which >= 0)[:, 0]
        return out.index_copy(0, here, found[which[here]])


class _BagSense(nn.Module):
    def __init__(self, width: int, settings: ModelSettings) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(width, settings.dim) * 0.02)
        self.bags: csr_matrix = csr_matrix((0, width), dtype=np.float32)
        self.present: Tensor = torch.empty(0, dtype=torch.bool)
        self.whole: tuple[Tensor, Tensor] | None = None

    def attach(self, sense: Sense) -> None:
        present = csr_matrix((sense.present.astype(np.float32), (np.arange(len(sense.present)),) * 2), shape=(len(sense.present),) * 2)
        self.bags = csr_matrix(present @ sense.values)
        self.present = torch.from_numpy(sense.present).to(self.table.device)
        self.whole = None

    def forward(self, rows: Tensor | None) -> Tensor:
        if rows is None:
            if self.whole is None:
                self.whole = self._pair(self.bags)
            pair = self.whole
        else:
            pair = self._pair(self.bags[rows.cpu().numpy()])
        out: Tensor = _BagSum.apply(self.table, *pair)  # type: ignore[no-untyped-call]
        return out

    def _pair(self, bags: csr_matrix) -> tuple[Tensor, Tensor]:
        device = self.table.device
        return _torch_csr(bags).to(device), _torch_csr(csr_matrix(bags.T)).to(device)


class Shift:
    """A change of the items' vectors, or of what one dense sense says of them before it is projected: what adversarial training adds.

    Attributes
    ----------
    delta : float32 (N, D)
    lengths : float32 (N,)
        How long the vectors were that it was last added to; 0 where it was added to none.
    sense : str
        "" for the vectors themselves.
    """

    def __init__(self, delta: Tensor, lengths: Tensor, sense: str = "") -> None:
        self.delta, self.lengths, self.sense = delta, lengths, sense

    @classmethod
    def zeros(cls, tower: ItemTower, sense: str = "") -> Shift:
        """No change.

        Raises
        ------
        SettingError
            If the tower has no dense sense of that name.
        """
        width = tower.settings.dim
        if sense:
            module = tower.senses[sense] if sense in tower.senses else None  # noqa: SIM401  (a ModuleDict has no get)
            if not isinstance(module, _DenseSense):
                known = [name for name, m in tower.senses.items() if isinstance(m, _DenseSense)]
                raise SettingError(
                    f"train.adversarial_on is {sense!r}",
                    f"empty, or one of {', '.join(known) or 'no sense'}",
                    "see: crossaisle settings train",
                )
            width = module.x.shape[1]
        device = next(tower.parameters()).device
        return cls(torch.zeros(tower.n_items, width, device=device), torch.zeros(tower.n_items, device=device), sense)

    def watched(self) -> Shift:
        """The same change, ready to receive a gradient."""
        self.delta = self.delta.detach().requires_grad_()
        return self

    def along(self, direction: Tensor, size: float, most: float | None = None) -> Shift:
        """This change and a step of ``size`` times each vector's length along a direction (N, D), held within ``most`` times it."""
        with torch.no_grad():
            step = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-12) * (size * self.lengths[:, None])
            delta = self.delta.detach() + step
            if most is not None:
                delta = delta * (most * self.lengths / delta.norm(dim=1).clamp(min=1e-12)).clamp(max=1.0)[:, None]
        return Shift(delta, self.lengths, self.sense)

    def add(self, out: Tensor, rows: Tensor | None) -> Tensor:
        """``out`` (R, D) and the change of these rows (None: all)."""
        with torch.no_grad():
            lengths = out.norm(dim=1)
            if rows is None:
                self.lengths = lengths
            else:
                self.lengths[rows] = lengths
        return out + (self.delta if rows is None else self.delta[rows])


class ItemTower(nn.Module):
    """Vectors of items from their senses and, where trained, their id.

    Parameters
    ----------
    widths : dict
        Width of each sense: ``{"text": (384, True), "words": (20000, False)}``, True for dense.
    n_items : int
        Rows of the id table; 0 leaves ids out.
    """

    trained: Tensor

    def __init__(self, settings: ModelSettings, widths: dict[str, tuple[int, bool]], n_items: int) -> None:
        super().__init__()
        self.settings = settings
        self.id_table = nn.Parameter(torch.randn(n_items, settings.dim) * 0.02) if n_items else None
        self.register_buffer("trained", torch.zeros(n_items, dtype=torch.bool))
        self.senses = nn.ModuleDict(
            {name: (_DenseSense if dense else _BagSense)(width, settings) for name, (width, dense) in sorted(widths.items())}
        )
        self.fusion = Fusion(settings, list(self.senses))
        self.adapters = nn.ModuleList()
        self.register_parameter("fresh_ids", None)
        self.n_items = n_items
        self._fresh: Tensor | None = None
        self._adapter_of: Tensor | None = None
        self._shift: Shift | None = None

    def add_adapter(self, settings: ModelSettings) -> None:
        """One aisle more has a correction of its own; see `place_adapters`."""
        self.adapters.append(AisleAdapter(settings))

    def place_adapters(self, which: Ints) -> None:
        """Say which adapter each item of the catalogue has: int64 (N,), -1 for none."""
        self._adapter_of = torch.from_numpy(np.ascontiguousarray(which)).to(self.trained.device) if len(self.adapters) else None

    def item_bias(self) -> Tensor | None:
        """float32 (N,): what is added to each item's logit, 0 where its aisle has no adapter; None where no aisle has one."""
        if self._adapter_of is None:
            return None
        biases = [cast(AisleAdapter, a).bias for a in self.adapters]
        return torch.stack([torch.zeros_like(biases[0]), *biases])[self._adapter_of + 1]

    def thaw_ids(self, codes: Ints) -> None:
        """From now on the id rows of these items are a parameter of their own, ``fresh_ids``, until `settle_ids`."""
        if self.id_table is not None:
            self._fresh = torch.from_numpy(np.ascontiguousarray(codes)).to(self.id_table.device)
            self.fresh_ids = nn.Parameter(self.id_table.detach()[self._fresh].clone())

    def settle_ids(self) -> None:
        """Put the thawed id rows back into the table."""
        if self.id_table is not None and self.fresh_ids is not None and self._fresh is not None:
            with torch.no_grad():
                self.id_table[self._fresh] = self.fresh_ids
            self._fresh = None
            self.register_parameter("fresh_ids", None)

    @property
    def shift(self) -> Shift | None:
        """A change that is added until it is None again."""
        return self._shift

    @shift.setter
    def shift(self, shift: Shift | None) -> None:
        for name, module in self.senses.items():
            if isinstance(module, _DenseSense):
                module.shift = shift if shift is not None and shift.sense == name else None
        self._shift = shift

    def fit_whitening(self, senses: Senses) -> None:
        """Fit the fixed first layer of each dense sense on the items that have it."""
        for name, module in self.senses.items():
            if isinstance(module, _DenseSense):
                sense = senses[name]
                module.whiten.fit(np.asarray(sense.values, dtype=np.float32)[sense.present])

    def attach(self, senses: Senses, trained: Bools) -> None:
        """Set the catalogue: N rows of each sense; ``trained`` (N,) marks items whose id vector may be used."""
        for name, module in self.senses.items():
            module.attach(senses[name])  # type: ignore[operator]
        self.n_items, self._adapter_of = len(trained), None
        self.trained = torch.from_numpy(np.ascontiguousarray(trained)).to(self.trained.device)

    def put(self, name: str, fresh: tuple[Tensor, Tensor] | None) -> None:
        """Until the next call, items ``fresh[0]`` (K,) have the raw vectors ``fresh[1]`` (K, width) of a dense sense, gradient and all."""
        cast(_DenseSense, self.senses[name]).fresh = fresh

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """float32 (N, D) of the whole catalogue, or of the chosen rows, before any normalisation."""
        out = self._ids(rows)
        for part in self._fused(rows):
            out = part if out is None else out + part
        if out is None:
            raise ValueError("an item tower without ids and without senses; expected at least one")
        out = self._adapted(out, rows)
        return out if self._shift is None or self._shift.sense else self._shift.add(out, rows)

    def parts(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (R, D) twice: the id vectors of some items, and what their senses add up to; ValueError if the tower lacks either."""
        ids, fused = self._ids(rows), self._fused(rows)
        if ids is None or not fused:
            raise ValueError("an item tower without ids or without senses; expected both")
        return self._adapted(ids, rows), self._adapted(torch.stack(fused).sum(0), rows)

    def shares(self, rows: Tensor | None = None) -> dict[str, Tensor]:
        """How much the id and each sense weigh in an item's vector: share_s = (part_s . e) / (e . e), which add up to 1.

        Returns
        -------
        dict
            float32 (N,) for "id" and each sense; below 0 where a part pulls the other way.
        """
        ids = self._ids(rows)
        parts = ({} if ids is None else {"id": ids}) | dict(zip(self.senses, self._fused(rows), strict=True))
        parts = {name: self._adapted(part, rows) for name, part in parts.items()}
        whole = torch.stack(list(parts.values())).sum(0)
        length = (whole * whole).sum(1).clamp(min=1e-12)
        return {name: (part * whole).sum(1) / length for name, part in parts.items()}

    def _adapted(self, out: Tensor, rows: Tensor | None) -> Tensor:
        """The same vectors (R, D), those of aisles with an adapter corrected."""
        if self._adapter_of is None:
            return out
        which = self._adapter_of if rows is None else self._adapter_of[rows]
        for k, adapter in enumerate(self.adapters):
            here = torch.nonzero(which == k)[:, 0]
            if len(here):
                out = out.index_copy(0, here, adapter(out[here]))
        return out

    def _fused(self, rows: Tensor | None) -> list[Tensor]:
        """What each sense adds to the chosen rows, (R, D) each."""
        modules = list(self.senses.values())
        if not modules:
            return []
        present = [cast(Tensor, module.present) for module in modules]
        fused: list[Tensor] = self.fusion(
            [module(rows) for module in modules], torch.stack([p if rows is None else p[rows] for p in present], dim=1)
        )
        return fused

    def _ids(self, rows: Tensor | None) -> Tensor | None:
        """float32 (R, D): the id vectors, 0 for items that were never trained on; None where ids are left out."""
        if self.id_table is None:
            return None
        table: Tensor = self.id_table
        if self.fresh_ids is not None and self._fresh is not None:
            table = table.index_copy(0, self._fresh, self.fresh_ids)
        keep = self.trained if rows is None else self.trained[rows]
        if len(table) < self.n_items:  # items that joined after training have no id vector; any row does, for it is not kept
            if rows is None:
                table = torch.cat([table, table.new_zeros(self.n_items - len(table), table.shape[1])])
            else:
                rows = torch.where(keep, rows, 0)
        if self.training and self.settings.id_dropout > 0 and len(self.senses) > 0:
            keep = keep & (torch.rand(len(keep), device=keep.device) >= self.settings.id_dropout)
        return (table if rows is None else table[rows]) * keep[:, None]
