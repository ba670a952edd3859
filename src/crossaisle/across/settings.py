"""Settings of the cross-aisle ridge. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["AcrossSettings"]


@dataclass(frozen=True)
class AcrossSettings(Settings):
    """How shoppers are compared, and how much the answer is smoothed."""

    on: bool = setting(True, "rank aisles that a history does not touch by a ridge over the shoppers of several aisles")
    ids: float = setting(1.0, "weight of the items themselves in the likeness of two shoppers", low=0.0)
    factors: float = setting(0.3, "weight of their iALS factors in it", low=0.0)
    text: float = setting(0.3, "weight of what their items say (language model's vectors) in it", low=0.0)
    constant: float = setting(0.05, "likeness of any two shoppers: how much the aisle's popularity counts", low=0.0)
    penalty: float = setting(
        15.0, "ridge penalty for each unit of the weights above; a third and thrice of it are tried on validation", low=1e-6
    )
    borrow: float = setting(0.3, "weight of the shoppers' iALS factors inside the aisle as a second target", low=0.0)
    dim: int = setting(128, "iALS factors", low=1, high=1024)
    alpha: float = setting(40.0, "iALS: confidence of an event", low=1.01)
    regularisation: float = setting(400.0, "iALS: regularisation", low=0.0)
    iterations: int = setting(12, "iALS: rounds", low=1)
    components: int = setting(128, "eigenvectors kept of each aisle's likeness matrix", low=1)
    least_shoppers: int = setting(30, "aisles with fewer shoppers who also buy elsewhere are left to the network", low=2)
    most_shoppers: int = setting(12_000, "shoppers compared in one aisle; those above are drawn by chance", low=2)
