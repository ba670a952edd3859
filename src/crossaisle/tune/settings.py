"""Settings of tuning a language model. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["TuneSettings"]


@dataclass(frozen=True)
class TuneSettings(Settings):
    """Which part of the language model that reads the items' texts is trained, and how."""

    form: str = setting(
        "frozen",
        "what of the language model is trained: nothing (frozen), its last blocks (last-n), low-rank corrections (lora), all of it (full)",
        choices=("frozen", "last-n", "lora", "full"),
    )
    layers: int = setting(0, "blocks that are trained, counted from the last; 0 = one for last-n, all for lora", low=0, high=1000)
    rank: int = setting(8, "rank of lora's corrections", low=1, high=1024)
    alpha: float = setting(16.0, "lora's corrections are scaled by this / rank", low=0.0)
    targets: tuple[str, ...] = setting((), "linear maps that lora corrects, by the end of their name; none = those of queries and values")
    learning_rate: float = setting(0.0, "highest learning rate of the language model; 0 = 5e-5, for lora 2e-4", low=0.0, high=1.0)
    weight_decay: float = setting(0.01, "AdamW weight decay on the language model's matrices", low=0.0, high=100.0)
    items_per_step: int = setting(64, "items read with gradient in one step, each about once an epoch; the rest come from a cache", low=1)
    states_mb: int = setting(
        1024, "most memory for the states below the trained blocks, 16 bits a number; where they need more, all blocks are run", low=0
    )

    @property
    def active(self) -> bool:
        """Whether anything of the language model is trained."""
        return self.form != "frozen"

    @property
    def rate(self) -> float:
        """The learning rate meant.

        Examples
        --------
        >>> TuneSettings(form="lora").rate, TuneSettings(form="full").rate, TuneSettings(form="full", learning_rate=1e-4).rate
        (0.0002, 5e-05, 0.0001)
        """
        return self.learning_rate or (2e-4 if self.form == "lora" else 5e-5)
