"""Tiny untrained language models with a tokenizer of their own, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from crossaisle.encode.transformer import TransformersReader

# of TEXTS, and of the toy shop's titles
WORDS = [
    "red",
    "blue",
    "green",
    "pan",
    "pot",
    "shoe",
    "lamp",
    "cup",
    "big",
    "small",
    "soft",
    "hard",
    "new",
    "old",
    "a",
    "of",
    "classic",
    "modern",
    "rustic",
    "minimal",
    "white",
    "books",
    "garden",
    "kitchen",
    "music",
    "box",
    "mat",
    "no",
]
TEXTS = ["red pan", "a big blue pot of old pan", "lamp", "small soft shoe", "new cup of a new cup of a green lamp", "hard old red shoe"]


def tokenizer(folder: Path) -> None:
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", *WORDS])}
    inner = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    inner.normalizer = Lowercase()
    inner.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32).save_pretrained(folder)


def masked(folder: Path, pooling: str = "mean") -> TransformersReader:
    """A BERT of 3 blocks, width 16."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS) + 2,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer(folder)
    return TransformersReader(folder, pooling=pooling, prefix="a ")


def causal(folder: Path) -> TransformersReader:
    """A Llama of 3 blocks, width 16, read at its last token."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS) + 2,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        max_position_embeddings=32,
        pad_token_id=0,
        initializer_range=0.5,
    )
    LlamaModel(config).save_pretrained(folder)
    tokenizer(folder)
    return TransformersReader(folder, pooling="last", prefix="a ")


READERS = {"masked": masked, "causal": causal}
