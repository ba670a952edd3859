"""Static models (model2vec): a vector a token, averaged; hundreds of times faster than a transformer, for very large catalogues.

Imports: contracts, errors, schema; of its own room fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from crossaisle.contracts import Progress
from crossaisle.encode.fingerprint import fingerprint, sound
from crossaisle.errors import BadInput, MissingExtra
from crossaisle.schema import Floats

__all__ = ["StaticReader", "is_static"]

_PORTION = 4_096


def is_static(folder: Path) -> bool:
    """Whether a folder holds a static model, as model2vec or sentence-transformers save one."""
    return _says(folder / "config.json", '"model2vec"', "StaticModel") or _says(folder / "modules.json", "StaticEmbedding")


def _says(path: Path, *words: str) -> bool:
    try:
        text = json.dumps(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
    return any(word in text for word in words)


class StaticReader:
    """A static model from a folder: the weighted mean of its tokens' vectors, to unit length (Tulkens & van Dongen, model2vec).

    Parameters
    ----------
    path : Path or str
        A folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors``.
    prefix : str
        Put before every text.
    max_tokens : int
        Longer texts are cut.
    name : str
        What the user calls it; "" takes the folder's name.

    Raises
    ------
    MissingExtra
        If model2vec is not installed.
    BadInput
        If the folder's files cannot be read.
    """

    def __init__(self, path: Path | str, prefix: str = "", max_tokens: int = 128, name: str = "") -> None:
        if find_spec("model2vec") is None:
            raise MissingExtra("static text models", "pip install 'crossaisle[static]'")
        self.path = Path(path)
        self.name, self.prefix, self.max_tokens = name or self.path.name, prefix, max_tokens
        weights = next(iter(sorted(self.path.rglob("model.safetensors"))), self.path / "model.safetensors")
        try:
            with safe_open(weights, framework="numpy") as file:
                key = next(k for k in ("embeddings", "embedding.weight") if k in file.keys())  # noqa: SIM118 - it is no dictionary
                self.dim = int(file.get_slice(key).get_shape()[1])
            files = [weights, weights.parent / "tokenizer.json", self.path / "config.json"]
            self.fingerprint = fingerprint([f for f in files if f.is_file()], engine="static", prefix=prefix, max_tokens=max_tokens)
        except Exception as error:  # missing file, damaged weights, no such tensor
            raise self._broken(error) from error
        self._model: Any = None

    def _broken(self, error: Exception) -> BadInput:
        return BadInput(
            f"the static model in {self.path} could not be loaded ({type(error).__name__}: {error})",
            "config.json, tokenizer.json and model.safetensors as model2vec saves them",
            "mend the folder, or set text.reader to auto",
        )

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """float32 (len(texts), dim), unit length, in the order given; zeros for a text of which no token is known."""
        if self._model is None:
            from model2vec import StaticModel

            try:
                self._model = StaticModel.from_pretrained(self.path)
            except Exception as error:  # the tokenizer or the configuration
                raise self._broken(error) from error
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _PORTION):
            part = [self.prefix + sound(text) for text in texts[start : start + _PORTION]]
            out[start : start + len(part)] = self._means([ids[: self.max_tokens] for ids in self._tokenise(part)])
            if progress is not None:
                progress("reading texts", start + len(part), len(texts), self.name)
        lengths = np.linalg.norm(out, axis=1, keepdims=True)
        unit: Floats = (out / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return unit

    def _tokenise(self, texts: list[str]) -> list[list[int]]:
        """Known tokens of each text, uncut: model2vec would cut at a number of characters before it cuts at tokens."""
        self._model.tokenizer.no_truncation()
        tokens: list[list[int]] = self._model.tokenize(texts)
        return tokens

    def _means(self, tokens: list[list[int]]) -> Floats:
        """Weighted mean of the tokens' vectors of B texts: float32 (B, dim), zeros for a text without tokens."""
        out = np.zeros((len(tokens), self.dim), dtype=np.float32)
        counts = np.array([len(ids) for ids in tokens])
        some = np.flatnonzero(counts)
        if len(some):
            model, flat = self._model, np.concatenate([np.array(tokens[row]) for row in some])
            vectors = model.embedding[flat if model.token_mapping is None else model.token_mapping[flat]].astype(np.float32)
            if model.weights is not None:
                vectors = vectors * model.weights[flat][:, None]
            starts = np.cumsum(counts[some]) - counts[some]
            out[some] = np.add.reduceat(vectors, starts) / counts[some][:, None]
        return out
