"""A fake language model, tiny and untrained, and a shop with a planted rule that only texts can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.rerank.settings import RerankSettings
from crossaisle.schema import Floats, Ints

COLOURS = ("red", "blue", "green", "white")
THINGS = ("lamp", "box", "mat", "kit", "bag", "tray", "cup", "pen", "hat", "rug", "jar", "pot")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *COLOURS, *THINGS, "brand", "answer", "is", "this")


def fake_bert(folder: Path) -> Path:
    """A folder with a BERT of two small layers with random weights, and a tokenizer of a few words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            initializer_range=0.2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def fake_llama(folder: Path) -> Path:
    """A folder with a causal model of two small layers with random weights, and a tokenizer of words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["[UNK]", *COLOURS, *THINGS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", ".", ":", "?", "-", "Answer", "next"]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            initializer_range=0.2,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def settings(model: Path | str, **changes: object) -> RerankSettings:
    """Settings that teach so small a model in seconds."""
    usual = {"depth": 12, "people": 200, "judges": 100, "epochs": 4, "learning_rate": 3e-3, "head_rate": 3e-3, "precision": "float32"}
    return RerankSettings(model=str(model), **{**usual, "history": 2, **changes})  # type: ignore[arg-type]


def shop(n_users: int = 600, seed: int = 0) -> Dataset:
    """48 items of four colours. Each history keeps to a colour, its last event too; which thing it is is chance."""
    items = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(48)],
            "category": ["shop"] * 48,
            "title": [f"{COLOURS[n % 4]} {THINGS[n // 4]}" for n in range(48)],
        }
    )
    rng = np.random.default_rng(seed)
    rows = [(4 * rng.permutation(12)[:4] + rng.integers(4)).tolist() for _ in range(n_users)]
    return Dataset(items, pl.Series("user_id", [f"u{u}" for u in range(n_users)]), Histories.from_lists(rows))


class Guess:
    """A retriever that knows nothing: scores by chance, the same for every history of the same items."""

    name = "guess"

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def fit(self, data: Dataset) -> Guess:
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        rows = [np.random.default_rng([7, *row.tolist()]).random(self.n_items) for row in histories.rows()]
        out = np.array(rows, dtype=np.float32).reshape(len(histories), self.n_items)
        return out if candidates is None else out[:, candidates]
