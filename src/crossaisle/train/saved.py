"""A network and its catalogue as named tensors, and back. Imports: settings, debias."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy.sparse import csr_matrix

from crossaisle.encode.senses import Sense, Senses
from crossaisle.model.network import Network
from crossaisle.train.debias import kept_apart
from crossaisle.train.settings import TrainSettings

__all__ = ["fill_network", "network_tensors", "sense_tensors", "senses_of"]

_NETWORK = "network."
_SPARSE = ("data", "indices", "indptr")


def network_tensors(network: Network) -> dict[str, torch.Tensor]:
    """Parameters and buffers, named ``network.*``, on the CPU."""
    return {f"{_NETWORK}{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def fill_network(network: Network, tensors: Mapping[str, torch.Tensor], training: TrainSettings) -> None:
    """Give a network of the same shape what `network_tensors` gave; ``training`` says whether it keeps popularity apart."""
    there = network.tower.trained.device
    network.tower.trained = torch.zeros(len(tensors[f"{_NETWORK}tower.trained"]), dtype=torch.bool, device=there)
    if training.debias == "popularity":
        n = len(tensors[f"{_NETWORK}popularity.log_m"])
        network.popularity = kept_apart(np.zeros(n, np.int64), np.zeros(n, bool), training).to(there)
    state = {k.removeprefix(_NETWORK): v.to(there) for k, v in tensors.items() if k.startswith(_NETWORK)}
    network.load_state_dict(state, assign=True)  # not copied: what is mapped from a file stays so


def sense_tensors(senses: Senses) -> dict[str, torch.Tensor]:
    """What is known of the items, named ``sense.*``; of a sparse sense the three arrays of its CSR matrix.

    Examples
    --------
    >>> sorted(sense_tensors({"text": Sense(np.ones((2, 3), np.float32), np.array([True, False]))}))
    ['sense.text.present', 'sense.text.values']
    """
    out: dict[str, torch.Tensor] = {}
    for name, sense in senses.items():
        out[f"sense.{name}.present"] = torch.from_numpy(sense.present)
        if isinstance(sense.values, np.ndarray):
            out[f"sense.{name}.values"] = torch.from_numpy(sense.values)
        else:
            for part in _SPARSE:
                out[f"sense.{name}.{part}"] = torch.from_numpy(np.ascontiguousarray(getattr(sense.values, part)))
    return out


def senses_of(tensors: Mapping[str, torch.Tensor], widths: Mapping[str, int]) -> dict[str, Sense]:
    """The inverse of `sense_tensors`; ``widths`` has the number of columns of each sense."""
    senses: dict[str, Sense] = {}
    for name, width in widths.items():
        present = tensors[f"sense.{name}.present"].numpy()
        if f"sense.{name}.values" in tensors:
            senses[name] = Sense(tensors[f"sense.{name}.values"].numpy(), present)
        else:
            parts = tuple(tensors[f"sense.{name}.{p}"].numpy() for p in _SPARSE)
            senses[name] = Sense(csr_matrix(parts, shape=(len(present), width)), present)
    return senses
