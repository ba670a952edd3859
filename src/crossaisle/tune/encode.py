"""Texts -> vectors with gradient, as their reader would give them. Imports: contracts, encode (saved, transformer); of its own room adapt,
settings.

Blocks below the first that is trained always give the same, so their output is kept (token states in 16 bits) and only the rest is run.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crossaisle.contracts import Progress
from crossaisle.encode.saved import save_reader, write_reading
from crossaisle.encode.transformer import TransformersReader, batches
from crossaisle.tune.adapt import Adapted, adapt
from crossaisle.tune.settings import TuneSettings

__all__ = ["TextEncoder", "write_reading"]

_KEPT_PER_STATE = 24
"""Numbers that the backward pass keeps of a block, for each number of its input; about what BERT and Llama blocks need."""
_ACTIVATIONS = 1_000_000_000
"""Bytes; where a step would keep more for its backward pass, each batch is run again there instead of being kept."""


class TextEncoder:
    """A reader's module made trainable, with the reader's tokens, prefix, length, pooling and number format.

    Parameters
    ----------
    reader : TransformersReader
        It stays as it is: its module is copied.
    settings : TuneSettings
    seed : int

    Attributes
    ----------
    adapted : Adapted
        What is trained.
    """

    def __init__(self, reader: TransformersReader, settings: TuneSettings, *, seed: int = 0) -> None:
        self.reader = reader
        self.adapted: Adapted = adapt(reader.load()[1], settings, seed=seed)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """The reader's tokens of each text."""
        return self.reader.tokenise(texts)

    def vectors(self, tokens: Sequence[Sequence[int]], states: Sequence[Tensor] | None = None) -> Tensor:
        """float32 (n, dim), unit length, in the order given; gradients reach the trained parameters.

        Parameters
        ----------
        tokens : sequence of n sequences of int
            As `tokenise` returns them.
        states : sequence of n float16 (length, hidden), optional
            What `below` gave for the same tokens: only the trained blocks and those above are run.
        """
        rows_of, parts = [], []
        again = torch.is_grad_enabled() and self._kept_bytes(tokens) > _ACTIVATIONS
        for width, rows in batches([len(t) for t in tokens], self.reader.max_tokens):
            ids, mask, lengths = self.reader.padded([tokens[r] for r in rows], width)
            start = None if states is None else _padded_states([states[r] for r in rows], width)
            out = (
                checkpoint(self._forward, ids, mask, lengths, start, use_reentrant=False)
                if again
                else self._forward(ids, mask, lengths, start)
            )
            rows_of.append(torch.tensor(rows, device=out.device))
            parts.append(out)
        if not parts:
            return torch.zeros(0, self.reader.dim, device=self.reader.device)
        return torch.cat(parts)[torch.argsort(torch.cat(rows_of))]

    def read(
        self, tokens: Sequence[Sequence[int]], states: Sequence[Tensor] | None = None, progress: Progress | None = None, stage: str = ""
    ) -> Tensor:
        """As `vectors`, without gradient, a portion at a time."""
        out = torch.empty(len(tokens), self.reader.dim, device=self.reader.device)
        order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
        with torch.no_grad():
            for start in range(0, len(order), 256):
                rows = order[start : start + 256]
                out[rows] = self.vectors([tokens[r] for r in rows], None if states is None else [states[r] for r in rows])
                if progress is not None:
                    progress(stage or "reading texts", start + len(rows), len(order), self.reader.name)
        return out

    def below(self, tokens: Sequence[Sequence[int]], most_mb: int) -> list[Tensor] | None:
        """Token states that go into the first trained block: n of float16 (length, hidden), views of one array.

        None where nothing is frozen below, where they need more than ``most_mb`` megabytes, or where 16 bits do not hold them.
        """
        first, blocks = self.adapted.first, self.adapted.blocks
        hidden = int(self.adapted.module.config.hidden_size)  # type: ignore[union-attr, arg-type]
        total = sum(len(t) for t in tokens)
        if first == 0 or first == len(blocks) or total * hidden * 2 > most_mb * 2**20:
            return None
        whole = torch.empty(total, hidden, dtype=torch.float16, device=self.reader.device)
        out = list(torch.split(whole, [len(t) for t in tokens]))
        for width, rows in batches([len(t) for t in tokens], self.reader.max_tokens):
            ids, mask, lengths = self.reader.padded([tokens[r] for r in rows], width)
            found = self._run_to(blocks[first], ids, mask).half()
            if not found.isfinite().all():
                return None
            for r, states, length in zip(rows, found, lengths.tolist(), strict=True):
                out[r].copy_(states[:length])
        return out

    def save(self, folder: Path) -> None:
        """A folder of transformers that ``AutoModel`` and `TransformersReader` read with these vectors, corrections merged.

        Pooling, prefix and length are written as sentence-transformers writes them, so that it reads the folder too.
        """
        save_reader(self.tuned_reader(), folder)

    def tuned_reader(self) -> TransformersReader:
        """A reader of its own that gives what this encoder gives now; later steps leave it as it is."""
        out = copy.copy(self.reader)
        digest = hashlib.sha256(self.reader.fingerprint.encode())
        for name, value in sorted(self.adapted.state().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        out.use_module(self.reader.load()[0], self.adapted.merged(), digest.hexdigest()[:32])
        return out

    def _forward(self, ids: Tensor, mask: Tensor, lengths: Tensor, start: Tensor | None) -> Tensor:
        module: Any = self.adapted.module
        with self._number_format(), _started(self.adapted.blocks, self.adapted.first, start):
            states: Tensor = module(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.reader.pool(states, lengths)

    @torch.no_grad()
    def _run_to(self, block: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 (B, T, hidden): what goes into a block; those behind it are not run."""
        found: list[Tensor] = []

        def stop(_: nn.Module, args: tuple[Any, ...]) -> None:
            found.append(args[0])
            raise _Reached

        handle = block.register_forward_pre_hook(stop)
        try:
            with self._number_format():
                self.adapted.module(input_ids=ids, attention_mask=mask)
        except _Reached:
            pass
        finally:
            handle.remove()
        return found[0].float()

    def _number_format(self) -> torch.autocast:
        return torch.autocast(self.reader.device, dtype=torch.bfloat16, enabled=self.reader.precision != "float32")

    def _kept_bytes(self, tokens: Sequence[Sequence[int]]) -> int:
        run = len(self.adapted.blocks) - self.adapted.first
        hidden = int(self.adapted.module.config.hidden_size)  # type: ignore[union-attr, arg-type]
        return sum(len(t) for t in tokens) * hidden * run * 4 * _KEPT_PER_STATE


class _Reached(Exception):
    """The block that was asked for is reached."""


@contextmanager
def _started(blocks: nn.ModuleList, first: int, states: Tensor | None) -> Iterator[None]:
    """Blocks below ``first`` pass on what they get, and block ``first`` is given ``states``; nothing changes where they are None."""
    if states is None:
        yield
        return

    def begin(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (states.to(args[0].dtype), *args[1:])

    handle = blocks[first].register_forward_pre_hook(begin)
    for block in blocks[:first]:
        block.forward = _pass_on
    try:
        yield
    finally:
        handle.remove()
        for block in blocks[:first]:
            del block.forward


def _pass_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states


def _padded_states(states: Sequence[Tensor], width: int) -> Tensor:
    """float32 (B, width, hidden), zero behind each text: those places are masked."""
    out = states[0].new_zeros(len(states), width, states[0].shape[1], dtype=torch.float32)
    for row, one in enumerate(states):
        out[row, : len(one)] = one
    return out
