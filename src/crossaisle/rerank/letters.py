"""The same second look by a causal model that reads a prompt: candidates behind letters, a letter's logit as the score. Imports: pairs.

One prompt a history lists its newest items and the candidates in an order by chance; where the answer begins, the logits of the letters
are the scores (LlamaRec's verbaliser, arXiv:2311.02089). A model of this size prefers letters and places whatever stands there, so
candidates are shuffled and the scores averaged over several orders.
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import polars as pl
import torch
from torch.nn import functional as F

from crossaisle import schema
from crossaisle.contracts import Progress
from crossaisle.data.histories import Histories
from crossaisle.encode.causal import smollm2_folder
from crossaisle.encode.fields import item_texts
from crossaisle.encode.fingerprint import sound
from crossaisle.encode.transformer import quiet
from crossaisle.rerank.pairs import CANDIDATE_FIELDS
from crossaisle.schema import Floats, Ints
from crossaisle.tune.adapt import adapt
from crossaisle.tune.settings import TuneSettings

__all__ = ["LetterRanker"]


class LetterRanker:
    """Orders up to 26 candidates by a causal model's letters.

    Parameters
    ----------
    items : polars.DataFrame
        The N items.
    folder : Path, optional
        A causal model with its tokenizer; default: SmolLM2-135M-Instruct from its package.
    history, title_tokens : int
        Newest items told, and tokens of a title that are read.
    order : int64 (N,), optional
        Candidate i is given the title of item ``order[i]``: for a placebo.

    Attributes
    ----------
    tokens : int
        Tokens read so far, for the cost.

    Raises
    ------
    MissingExtra
        If there is neither a folder nor the package.
    """

    def __init__(
        self, items: pl.DataFrame, folder: Path | None = None, history: int = 5, title_tokens: int = 16, order: Ints | None = None
    ) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        where = str(folder or smollm2_folder())
        with quiet():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(where)
            self.model: Any = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32).eval().requires_grad_(False)
        self.history, self.tokens = history, 0
        titles = [t or whole for t, whole in zip(item_texts(items, (schema.TITLE,)), item_texts(items, CANDIDATE_FIELDS), strict=True)]
        self._titles = [self._ids(sound(title))[:title_tokens] for title in titles]
        self._shown = self._titles if order is None else [self._titles[i] for i in order.tolist()]
        self._letters = [self._ids(f" {letter}")[-1] for letter in ascii_uppercase]

    def _ids(self, text: str) -> list[int]:
        out: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return out

    def _prompt(self, history: Ints, candidates: Ints) -> torch.Tensor:
        """int64 (1, T)."""
        out = self._ids("A customer bought, newest first:")
        for item in history[::-1][: self.history].tolist():
            out += [*self._ids("\n- "), *self._titles[item]]
        out += self._ids("\nWhich of these does the customer buy next?")
        for letter, item in zip(ascii_uppercase, candidates.tolist(), strict=False):
            out += [*self._ids(f"\n{letter}. "), *self._shown[item]]
        ids = torch.tensor([out + self._ids("\nAnswer:")])
        self.tokens += ids.shape[1]
        return ids

    def _logits(self, history: Ints, candidates: Ints) -> torch.Tensor:
        """float32 (C,): of the letters of C candidates in the order shown."""
        logits: torch.Tensor = self.model(input_ids=self._prompt(history, candidates), logits_to_keep=1).logits[0, -1]
        return logits[self._letters[: len(candidates)]].float()

    def score(self, histories: Histories, candidates: Ints, orders: int = 2, seed: int = 0, progress: Progress | None = None) -> Floats:
        """float32 (B, C): log-probabilities among the candidates, int64 (B, C <= 26), averaged over so many orders; 0 where one is -1.

        Raises
        ------
        ValueError
            If there are more candidates than letters.
        """
        if candidates.shape[1] > len(ascii_uppercase):
            raise ValueError(f"{candidates.shape[1]} candidates; expected at most 26, one for each letter")
        out = np.zeros(candidates.shape, dtype=np.float32)
        for row, (history, wanted) in enumerate(zip(histories.rows(), candidates, strict=True)):
            there = np.flatnonzero(wanted >= 0)
            rng = np.random.default_rng([seed, *history.tolist()])
            for _ in range(orders if len(there) else 0):
                order = rng.permutation(there)
                with torch.inference_mode():
                    out[row, order] += F.log_softmax(self._logits(history, wanted[order]), dim=0).numpy() / orders
            if progress is not None:
                progress("letters", row + 1, len(candidates), "")
        return out

    def train(self, histories: Histories, candidates: Ints, targets: Ints, rank: int = 8, rate: float = 2e-4, seed: int = 0) -> list[float]:
        """Low-rank corrections, one pass, one history a step: cross-entropy of the target's letter; returns the losses.

        Parameters
        ----------
        candidates : int64 (B, C <= 26)
        targets : int64 (B,)
            The right item; histories whose candidates lack it are passed over.

        Raises
        ------
        MissingExtra
            If peft is not installed.
        """
        adapted = adapt(self.model, TuneSettings(form="lora", rank=rank, alpha=2.0 * rank, learning_rate=rate), seed=seed)
        self.model = adapted.module
        optimiser, losses = torch.optim.AdamW(adapted.parameter_groups()), []
        rng = np.random.default_rng([seed, 5])
        for row in rng.permutation(np.flatnonzero((candidates == targets[:, None]).any(axis=1))).tolist():
            order = rng.permutation(candidates[row][candidates[row] >= 0])
            wanted = torch.tensor([int(np.flatnonzero(order == targets[row])[0])])
            loss = F.cross_entropy(self._logits(histories.row(row), order)[None], wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()))
        self.model = adapted.merged()
        return losses
