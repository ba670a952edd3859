"""What is learned in a stage: the contract of an objective, and pairs of items. Imports: schema; of its own room contrast, language_model,
pairs, settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from crossaisle.pretrain.contrast import Loss, contrastive_backward, contrastive_loss
from crossaisle.pretrain.language_model import LanguageModel, chunks
from crossaisle.pretrain.pairs import Pairs, draw_epoch, item_shares
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Objective", "PairObjective", "step_seed"]


class Objective(Protocol):
    """One thing that a language model learns; several may share a stage, their gradients are added."""

    name: str
    head: torch.nn.Module | None
    """What is trained beside the model and thrown away at the end."""

    def begin(self, epoch: int) -> int:
        """Draw the epoch's data; how many steps it has."""
        ...

    def backward(self, step: int) -> float:
        """Add the gradient of a step of the epoch begun to the model's; the loss."""
        ...

    def held_out(self) -> float:
        """The loss on what is never learned from, in evaluation mode."""
        ...


def step_seed(*numbers: int) -> int:
    """A seed that depends on all of the numbers, the same on every machine.

    Examples
    --------
    >>> step_seed(0, 1, 2) == step_seed(0, 1, 2), step_seed(0, 1, 2) == step_seed(0, 2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 2)


class PairObjective:
    """Items bought together are near each other, others of the step are not.

    Parameters
    ----------
    model : LanguageModel
    learned, held : Pairs
        Pairs to learn from, and those looked at after an epoch.
    tokens : N lists of token ids
        Of every item; items without text are in no pair.
    untuned : float32 (N, D) or None
        Vectors of length 1 before any training: near-duplicates by them are not negatives. None: only equal items.
    settings : PretrainSettings
    seed : int
    """

    name = "pairs"

    def __init__(
        self,
        model: LanguageModel,
        learned: Pairs,
        held: Pairs,
        tokens: Sequence[Sequence[int]],
        untuned: Floats | None,
        settings: PretrainSettings,
        seed: int,
    ) -> None:
        self.model, self.learned, self.held, self.tokens = model, learned, held, tokens
        self.untuned, self.settings, self.seed = untuned, settings, seed
        self.head: torch.nn.Module | None = None
        self._log_share = np.log(item_shares(learned, settings))
        self._epoch, self._drawn = 0, learned.select(np.zeros(0, np.int64))

    def begin(self, epoch: int) -> int:
        """See `Objective`; a last step of one pair has no negative and is left out."""
        self._epoch, self._drawn = epoch, draw_epoch(self.learned, self.settings, self.seed, epoch)
        return sum(end - start > 1 for start, end in _portions(len(self._drawn), self.settings.batch))

    def backward(self, step: int) -> float:
        """See `Objective`."""
        start, end = _portions(len(self._drawn), self.settings.batch)[step]
        part = self._drawn.select(np.arange(start, end))
        return contrastive_backward(
            self.model,
            [self.tokens[i] for i in np.concatenate([part.first, part.second])],
            self._loss_of(part),
            chunk_tokens=self.settings.chunk_tokens,
            seed=step_seed(self.seed, self._epoch, step),
        )

    def held_out(self) -> float:
        """See `Objective`: the mean over the pairs, in steps of the training size."""
        total, n = 0.0, 0
        was = self.model.module.training
        self.model.module.eval()
        with torch.no_grad():
            for start, end in _portions(len(self.held), self.settings.batch):
                part = self.held.select(np.arange(start, end))
                vectors = self.vectors(np.concatenate([part.first, part.second]))
                total, n = total + (end - start) * float(self._loss_of(part)(vectors)), n + end - start
        self.model.module.train(was)
        return total / max(1, n)

    def vectors(self, items: Ints) -> torch.Tensor:
        """float32 (n, D) of length 1, in the order given."""
        tokens = [self.tokens[i] for i in items]
        parts = chunks([len(ids) for ids in tokens], self.settings.chunk_tokens)
        out = torch.empty((len(items), self.model.reader.dim), device=self.model.device)
        for rows in parts:
            out[rows] = self.model.vectors([tokens[r] for r in rows])
        return out

    def _loss_of(self, part: Pairs) -> Loss:
        """float (2 M, D) -> the loss of M pairs, firsts before seconds."""
        device = self.model.device
        there = torch.from_numpy(self._blocked(part.first, part.second)).to(device)
        back = torch.from_numpy(self._blocked(part.second, part.first)).to(device)
        shares = torch.from_numpy(self._log_share[part.first]).to(device), torch.from_numpy(self._log_share[part.second]).to(device)
        m = len(part)

        def loss(vectors: torch.Tensor) -> torch.Tensor:
            return contrastive_loss(vectors[:m], vectors[m:], there, self.settings.temperature, shares, back)

        return loss

    def _blocked(self, asked: Ints, answers: Ints) -> Bools:
        """bool (M, M): [m, k] answer k is no negative of asked m, its own answer being ``answers[m]``."""
        blocked = self.learned.together(asked, answers) | (answers[:, None] == answers[None, :])
        if self.untuned is not None:
            a, b = self.untuned[asked], self.untuned[answers]
            blocked |= (a @ b.T > self.settings.duplicate) | (b @ b.T > self.settings.duplicate)
        if self.settings.negatives == "aisle":
            aisles = self.learned.aisles[answers]
            blocked |= aisles[:, None] != aisles[None, :]
        return np.asarray(blocked, dtype=np.bool_)


def _portions(n: int, size: int) -> list[tuple[int, int]]:
    """[start, end) of each step; a last one of a single pair joins the one before.

    Examples
    --------
    >>> _portions(7, 3), _portions(0, 3)
    ([(0, 3), (3, 7)], [])
    """
    out = [(start, min(start + size, n)) for start in range(0, n, size)]
    if len(out) > 1 and out[-1][1] - out[-1][0] == 1:
        out[-2:] = [(out[-2][0], n)]
    return out
