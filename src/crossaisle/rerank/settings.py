"""Settings of the second look. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["RerankSettings"]


@dataclass(frozen=True)
class RerankSettings(Settings):
    """The second look (re-ranker): which language model reads candidate and history together, and how it is trained."""

    model: str = setting("", "language model that takes the second look: minilm, a Hugging Face name or a local folder; empty: none")
    form: str = setting(
        "full",
        "what is trained besides the new head: the last blocks (last-n), low-rank corrections (lora) or everything (full)",
        choices=("last-n", "lora", "full"),
    )
    layers: int = setting(0, "blocks that are trained, counted from the last; 0 = one for last-n, all for lora", low=0, high=1000)
    rank: int = setting(8, "rank of lora's corrections", low=1, high=1024)
    depth: int = setting(50, "items of a list that are looked at twice", low=2, high=1000)
    history: int = setting(5, "newest items of the history that are read with a candidate", low=1, high=100)
    candidate_tokens: int = setting(40, "longer texts of a candidate are cut here", low=1, high=512)
    history_tokens: int = setting(64, "the history is cut here, its oldest items first", low=1, high=2048)
    negatives: int = setting(
        6, "wrong candidates beside each right one, half of them from the retriever's ranks 5 to depth", low=1, high=64
    )
    people: int = setting(2_000, "most people whose newest event it is trained on", low=10)
    judges: int = setting(500, "most other people who choose its weight; as many again are kept to report by", low=10)
    epochs: int = setting(1, "passes over these people", low=1, high=100)
    step: int = setting(8, "people in a step of training", low=1, high=1024)
    learning_rate: float = setting(0.0, "highest learning rate of the language model; 0 = 2e-5, for lora 2e-4", low=0.0, high=1.0)
    head_rate: float = setting(5e-4, "highest learning rate of the new head", low=0.0, high=1.0)
    weight_decay: float = setting(0.01, "AdamW weight decay", low=0.0, high=100.0)
    precision: str = setting("auto", "of its products: bfloat16 where the processor has it", choices=("auto", "float32", "bfloat16"))

    @property
    def active(self) -> bool:
        """Whether there is to be a second look."""
        return bool(self.model)
