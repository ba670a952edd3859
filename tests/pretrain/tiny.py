"""A fake language model, tiny and with random weights, as a folder that transformers loads, and a shop to tune it on."""

from __future__ import annotations

from pathlib import Path

import torch

from crossaisle.data.dataset import Dataset
from crossaisle.encode.fields import item_texts
from crossaisle.testing import toy_dataset

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tiny_bert(folder: Path, seed: int = 0, dim: int = 32, layers: int = 2) -> Path:
    """A BertModel with random weights and a WordPiece vocabulary of the toy shop's words: a fake, for tests alone."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = sorted({word for text in item_texts(shop().items) for word in text.lower().replace(".", " ").replace(":", " ").split()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *LETTERS, *(f"##{c}" for c in LETTERS), ".", ":", ">"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=dim, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=2 * dim
    )
    BertModel(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def shop() -> Dataset:
    """The toy shop, whose tastes cross aisles and can be read off the titles."""
    return toy_dataset(n_users=300, n_items=240)


def tiny_llama(folder: Path, seed: int = 0, dim: int = 32) -> Path:
    """A causal LlamaForCausalLM with random weights and tied embeddings, with the vocabulary of `tiny_bert`: a fake, for tests alone."""
    from transformers import BertTokenizerFast, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tiny_bert(folder)
    words = BertTokenizerFast(str(folder / "vocab.txt"))
    for path in folder.iterdir():
        path.unlink()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=dim,
        intermediate_size=2 * dim,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder
