"""Settings of domain pretraining. Imports: settings, errors."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.errors import SettingError
from crossaisle.settings import Settings, setting

__all__ = ["CONTRASTIVE", "OBJECTIVES", "READING", "PretrainSettings"]

READING = ("masked", "sentence-pair", "next-token")
"""Objectives on the texts themselves: the first stage."""
CONTRASTIVE = ("pairs", "reviews")
"""Objectives that shape the vectors of texts: the second stage, since masked modelling alone worsens their geometry."""
OBJECTIVES = READING + CONTRASTIVE


@dataclass(frozen=True)
class PretrainSettings(Settings):
    """What a language model goes on learning from the shop's own data, and how."""

    objectives: tuple[str, ...] = setting(
        ("pairs",), f"by comma: first on texts {', '.join(READING)}; then on vectors {', '.join(CONTRASTIVE)}"
    )
    epochs: int = setting(3, "passes over the data of each stage", low=1, high=1000)
    early_stopping: bool = setting(True, "keep the weights of the lowest held-out loss and stop after it, instead of the last ones")
    patience: int = setting(1, "epochs without a lower held-out loss before a stage stops", low=1)
    form: str = setting(
        "full",
        "what is trained: last blocks (last-n), low-rank corrections (lora), all (full)",
        choices=("last-n", "lora", "full"),
    )
    layers: int = setting(0, "blocks that are trained, counted from the last; 0 = one for last-n, all for lora", low=0, high=1000)
    learning_rate: float = setting(0.0, "highest learning rate of AdamW; 0 = 5e-5, for lora 2e-4", low=0.0, high=1.0)
    warmup: float = setting(0.1, "share of the steps in which the learning rate rises; it falls linearly to 0 after", low=0.0, high=1.0)
    weight_decay: float = setting(0.01, "AdamW weight decay of matrices", low=0.0)
    clip: float = setting(1.0, "largest gradient norm", low=0.0)
    batch: int = setting(128, "pairs whose items are each other's negatives in one step", low=2)
    text_batch: int = setting(64, "texts in one step of the first stage", low=1)
    masked_share: float = setting(0.15, "share of the tokens that masked modelling hides", low=0.01, high=0.9)
    temperature: float = setting(0.05, "cosines are divided by this in the contrastive loss", low=1e-3)
    max_tokens: int = setting(64, "longer texts are cut here while training", low=8)
    across: bool = setting(False, "only pairs of items from different aisles")
    negatives: str = setting("all", "which items of a step are negatives: all, or those of the positive's aisle", choices=("all", "aisle"))
    days: float = setting(30.0, "bought together: at most so many days apart, where times are known", low=0.0)
    window: int = setting(20, "bought together: at most so many events apart", low=1)
    pairs_per_user: int = setting(1, "pairs drawn for each user in an epoch", low=1)
    item_cap: int = setting(50, "pairs of one item in an epoch", low=1)
    duplicate: float = setting(0.95, "above this cosine of their untuned texts, items are no negatives of each other", low=0.0, high=1.0)
    review_chars: int = setting(30, "shorter reviews are left out (a Chinese letter counts double)", low=1)
    held_out: float = setting(0.05, "share of users and of texts that is held out, to choose when to stop", low=0.0, high=0.5)
    most_held_out: int = setting(1000, "most held-out pairs and texts that are looked at after an epoch", low=2)
    precision: str = setting("auto", "of matrix products: bfloat16 where the CPU has units for it", choices=("auto", "float32", "bfloat16"))
    chunk_tokens: int = setting(4096, "padded tokens whose activations are held at once; larger batches go through in parts", low=64)
    checkpoint_steps: int = setting(200, "steps between two checkpoints", low=1)

    @property
    def rate(self) -> float:
        """The highest learning rate meant.

        Examples
        --------
        >>> PretrainSettings(form="lora").rate, PretrainSettings().rate, PretrainSettings(learning_rate=2e-5).rate
        (0.0002, 5e-05, 2e-05)
        """
        return self.learning_rate or (2e-4 if self.form == "lora" else 5e-5)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise SettingError(f"pretrain.objectives names {name!r}", f"some of {', '.join(OBJECTIVES)}", "see: crossaisle settings")
        if not self.objectives:
            raise SettingError("pretrain.objectives is empty", f"at least one of {', '.join(OBJECTIVES)}", "see: crossaisle settings")
