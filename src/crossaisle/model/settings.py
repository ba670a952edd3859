"""Settings of the network. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["ModelSettings"]


@dataclass(frozen=True)
class ModelSettings(Settings):
    """Shape and regularisation of the network."""

    senses: tuple[str, ...] = setting(
        ("id", "text", "words"),
        "what an item is made of: id, text (language model), words (learned words, brands), reviews (what buyers say), image, video",
    )
    dim: int = setting(128, "width of item and history vectors", low=8, high=4096)
    text_dim: int = setting(256, "dimensions kept of the language model's vectors after whitening", low=1)
    text_scale: float = setting(1.0, "length of an average whitened text vector; the larger, the more text leads and ids correct", low=0.0)
    blocks: int = setting(2, "transformer blocks", low=1, high=48)
    heads: int = setting(2, "attention heads; must divide dim", low=1)
    feedforward: int = setting(2, "width of the feed-forward layer, as a multiple of dim", low=1)
    window: int = setting(64, "newest events of a history that the network reads", low=2, high=4096)
    dropout: float = setting(0.4, "dropout on attention and on what both branches of a block add", low=0.0, high=0.95)
    input_dropout: float = setting(0.2, "dropout on the history tokens", low=0.0, high=0.95)
    id_dropout: float = setting(
        0.1, "share of items whose id vector is left out in a training step, so that text learns to stand alone", low=0.0, high=1.0
    )
    fusion: str = setting("sum", "how the senses of an item join: sum, or gate (weighed item by item)", choices=("sum", "gate"))
    modality_dropout: float = setting(
        0.0, "share of an item's senses left out in a training step, so that items that lack some are served", low=0.0, high=0.9
    )
    aisle_rank: int = setting(
        0, "with train.objective=factored: rank of each aisle's own correction of the history vector; 0 = none", low=0, high=256
    )
    adapter_rank: int = setting(
        8, "with fit --base --adapt: rank of the new aisle's correction of its items' vectors; 0 = only a bias", low=0, high=256
    )
    temperature: float = setting(16.0, "starting factor between cosine and logit (learned)", low=0.1, high=100.0)
    use_events: bool = setting(True, "tokens carry the event kind, where there are several")
    use_weights: bool = setting(True, "tokens carry the event weight, where weights differ")
    own_reviews: bool = setting(
        True, "with reviews among the senses: an item of a history carries what its person wrote of it, and the rating"
    )
    use_times: bool = setting(False, "tokens carry the time since the event before")
