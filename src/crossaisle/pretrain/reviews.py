"""A review is near its item, and not near others. Imports: of its own room contrast, language_model, objective, settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from crossaisle.pretrain.contrast import Loss, contrastive_backward, contrastive_loss
from crossaisle.pretrain.language_model import LanguageModel, chunks
from crossaisle.pretrain.objective import step_seed
from crossaisle.pretrain.settings import PretrainSettings

__all__ = ["ReviewObjective"]


class ReviewObjective:
    """Reviews and their items' texts, contrastively (as BLaIR: Hou and others 2024, equation 1, here in both directions).

    One review of each item is drawn an epoch, so that much-reviewed items do not rule and no step holds an item twice.

    Parameters
    ----------
    model : LanguageModel
    learned, held : sequence of (item, text)
    texts : N str
        Of every item.
    settings : PretrainSettings
    seed : int
    """

    name = "reviews"

    def __init__(
        self,
        model: LanguageModel,
        learned: Sequence[tuple[int, str]],
        held: Sequence[tuple[int, str]],
        texts: Sequence[str],
        settings: PretrainSettings,
        seed: int,
    ) -> None:
        self.model, self.texts, self.settings, self.seed = model, texts, settings, seed
        self.head: torch.nn.Module | None = None
        self._of: dict[int, list[str]] = {}
        for item, text in learned:
            self._of.setdefault(item, []).append(text)
        self._held = list({item: (item, text) for item, text in held}.values())
        self._epoch, self._drawn = 0, list[tuple[int, str]]()

    def begin(self, epoch: int) -> int:
        """See `objective.Objective`."""
        rng = np.random.default_rng((self.seed, 9, epoch))
        drawn = [(item, own[int(rng.integers(len(own)))]) for item, own in self._of.items()]
        self._epoch, self._drawn = epoch, [drawn[p] for p in rng.permutation(len(drawn))]
        return max(1, len(self._drawn) // self.settings.batch)

    def backward(self, step: int) -> float:
        """See `objective.Objective`."""
        part = self._drawn[step * self.settings.batch : (step + 1) * self.settings.batch]
        seed = step_seed(self.seed, 10, self._epoch, step)
        tokens = self._tokens(part)
        return contrastive_backward(self.model, tokens, self._loss_of(part), chunk_tokens=self.settings.chunk_tokens, seed=seed)

    def held_out(self) -> float:
        """See `objective.Objective`."""
        was = self.model.module.training
        self.model.module.eval()
        total, size = 0.0, self.settings.batch
        with torch.no_grad():
            for start in range(0, len(self._held), size):
                part = self._held[start : start + size]
                tokens = self._tokens(part)
                vectors = torch.empty((len(tokens), self.model.reader.dim), device=self.model.device)
                for rows in chunks([len(ids) for ids in tokens], self.settings.chunk_tokens):
                    vectors[rows] = self.model.vectors([tokens[r] for r in rows])
                total += len(part) * float(self._loss_of(part)(vectors))
        self.model.module.train(was)
        return total / max(1, len(self._held))

    def _tokens(self, part: Sequence[tuple[int, str]]) -> list[list[int]]:
        return self.model.tokens([self.texts[item] for item, _ in part] + [text for _, text in part])

    def _loss_of(self, part: Sequence[tuple[int, str]]) -> Loss:
        """float (2 M, D) -> the loss; items with the same text are no negatives of each other."""
        words = [self.texts[item] for item, _ in part]
        m, equal = len(part), torch.tensor([[a == b for b in words] for a in words], device=self.model.device)

        def loss(vectors: torch.Tensor) -> torch.Tensor:
            return contrastive_loss(vectors[:m], vectors[m:], equal, self.settings.temperature)

        return loss
