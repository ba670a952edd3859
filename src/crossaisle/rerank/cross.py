"""The cross-encoder: a sequence-classification head on candidate and history. Imports: settings, pairs.

One logit for (candidate, history), trained listwise: with positive 0 and wrong candidates 1..m of a person, the loss is
-log softmax(logits)_0 (Cao et al. 2007, "ListNet", eq. 5, with one relevant item; the input is that of monoBERT, arXiv:1901.04085).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch.nn import functional as F

from crossaisle.contracts import Progress
from crossaisle.data.histories import Histories
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.encode.transformer import has_bfloat16_units, quiet
from crossaisle.errors import BadInput, SettingError
from crossaisle.rerank.pairs import PairWriter, Row
from crossaisle.rerank.settings import RerankSettings
from crossaisle.schema import Floats, Ints
from crossaisle.tune.adapt import Adapted, adapt, blocks_of
from crossaisle.tune.settings import TuneSettings

__all__ = ["CrossEncoder"]

_TOKENS = 4_096
"""A batch of scoring holds this many padded tokens."""
_STEP = 16
_AT_ONCE = 64
"""People whose rows are written at once."""
_WARM = 0.1
"""Share of the steps over which the learning rate rises."""


class CrossEncoder:
    """A transformers model with one logit and its tokenizer; made by `new` or `load`.

    Attributes
    ----------
    model : torch.nn.Module
        ``AutoModelForSequenceClassification`` with one label.
    tokenizer : its tokenizer
    losses : list of float
        Mean training loss of each tenth of the steps.
    """

    def __init__(self, model: Any, tokenizer: Any, settings: RerankSettings, device: str = "cpu") -> None:
        self.model, self.tokenizer, self.settings, self.device = model.to(device).eval(), tokenizer, settings, device
        fast = device == "cpu" and has_bfloat16_units()
        self.precision = ("bfloat16" if fast else "float32") if settings.precision == "auto" else settings.precision
        self.losses: list[float] = []

    @classmethod
    def new(cls, settings: RerankSettings, seed: int = 0, device: str = "cpu") -> Self:
        """The pretrained model that the settings name, with a head that knows nothing yet.

        Raises
        ------
        SettingError
            If the model is one that cannot be trained.
        BadInput
            If there is no such model.
        """
        reader, _ = choose_reader(TextSettings(reader=settings.model), [], device)
        folder = getattr(reader, "path", None)
        if folder is None:
            raise SettingError(
                f"rerank.model is {settings.model}, which cannot be trained",
                "minilm, a Hugging Face name or a local folder",
                "set rerank.model=minilm",
            )
        return cls.load(folder, settings, device, seed=seed)

    @classmethod
    def load(cls, folder: Path, settings: RerankSettings, device: str = "cpu", seed: int = 0) -> Self:
        """From a folder of transformers; a head that the folder lacks is drawn by ``seed``.

        Raises
        ------
        BadInput
            If the folder cannot be read as a model with one logit.
        """
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                tokenizer = AutoTokenizer.from_pretrained(str(folder))
                model = AutoModelForSequenceClassification.from_pretrained(
                    str(folder), num_labels=1, dtype=torch.float32, use_safetensors=True, ignore_mismatched_sizes=True
                )
            except Exception as error:  # damaged weights, an architecture without such a head, a missing tokenizer
                raise BadInput(
                    f"no re-ranker can be made of {folder} ({type(error).__name__}: {error})",
                    "a model of transformers that can classify sequences",
                    "set rerank.model=minilm",
                ) from error
        return cls(model, tokenizer, settings, device)

    def save(self, folder: Path) -> None:
        """As a folder that any program with transformers opens."""
        with quiet():
            self.model.save_pretrained(folder, safe_serialization=True)
            self.tokenizer.save_pretrained(folder)

    # training

    def train(self, writer: PairWriter, histories: Histories, lists: Ints, seed: int = 0, progress: Progress | None = None) -> Self:
        """Listwise over ``lists``: int64 (Q, 1 + M), the right candidate in the first column."""
        chosen = self.settings
        adapted, groups = self._prepare(seed)
        self.model = adapted.module
        optimiser = torch.optim.AdamW(groups, weight_decay=chosen.weight_decay)
        total = chosen.epochs * -(-len(lists) // chosen.step)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: _rate(n, total))
        rng, losses = np.random.default_rng([seed, 3]), []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model.train()
            for rows in _steps(len(lists), chosen.epochs, chosen.step, rng):
                logits = self._logits(writer.batch(writer.rows(histories[rows], lists[rows]), device=self.device))
                loss = F.cross_entropy(logits.view(len(rows), -1), torch.zeros(len(rows), dtype=torch.long, device=self.device))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], 1.0)
                optimiser.step()
                schedule.step()
                losses.append(float(loss.detach()))
                if progress is not None:
                    progress("training the second look", len(losses), total, f"loss {losses[-1]:.3f}")
        self.model = adapted.merged()
        self.losses = [float(np.mean(part)) for part in np.array_split(losses, min(10, len(losses)))]
        return self

    def _prepare(self, seed: int) -> tuple[Adapted, list[dict[str, Any]]]:
        """The model with the chosen part of its blocks and the whole head trainable, and its parameters, each at its own rate."""
        chosen, n_blocks = self.settings, len(blocks_of(self.model))
        if chosen.layers > n_blocks:
            raise SettingError(f"rerank.layers is {chosen.layers}", f"at most {n_blocks} blocks of this model", "lower rerank.layers")
        inside = {name for name, _ in self.model.base_model.named_parameters(prefix=self.model.base_model_prefix)}
        inside -= {name for name in inside if ".pooler." in name}
        adapted = adapt(self.model, TuneSettings(form=chosen.form, layers=chosen.layers, rank=chosen.rank), seed=seed)
        own = {_plain(name): p for name, p in adapted.module.named_parameters()}
        head = [own[name].requires_grad_(True) for name, _ in self.model.named_parameters() if name not in inside]
        known = {id(p) for p in head}
        lower = [p for p in adapted.named_parameters().values() if id(p) not in known]
        rate = chosen.learning_rate or (2e-4 if chosen.form == "lora" else 2e-5)
        return adapted, [{"params": lower, "lr": rate}, {"params": head, "lr": chosen.head_rate}]

    # scoring

    def score(self, writer: PairWriter, histories: Histories, candidates: Ints, progress: Progress | None = None) -> Floats:
        """float32 (B, C): logits of ``candidates`` int64 (B, C); 0 where a candidate is -1.

        Notes
        -----
        In bfloat16 a product's rounding depends on the batch's shape, so batches are filled up to a shape that depends on a row's
        length alone: a pair's logit is the same whatever it is scored with.
        """
        out = np.zeros(candidates.shape, dtype=np.float32)
        for start in range(0, len(candidates), _AT_ONCE):
            part = candidates[start : start + _AT_ONCE]
            there = part >= 0
            rows = writer.rows(histories[start : start + _AT_ONCE], np.where(there, part, 0))
            kept = [row for row, wanted in zip(rows, there.ravel().tolist(), strict=True) if wanted]
            out[start : start + _AT_ONCE][there] = self._score_rows(writer, kept)
            if progress is not None:
                progress("second look", min(start + _AT_ONCE, len(candidates)), len(candidates), "")
        return out

    def _score_rows(self, writer: PairWriter, rows: Sequence[Row]) -> Floats:
        out = np.zeros(len(rows), dtype=np.float32)
        for width, members in _by_width([len(tokens) for tokens, _ in rows]):
            batch = [rows[m] for m in members]
            batch += batch[:1] * (max(1, _TOKENS // width) - len(batch))
            with torch.inference_mode():
                out[members] = self._logits(writer.batch(batch, width, self.device))[: len(members)].cpu().numpy()
        return out

    def _logits(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """float32 (R,)."""
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits: torch.Tensor = self.model(**batch).logits
        return logits[:, 0].float()


def _plain(name: str) -> str:
    """The name of a parameter in the model that peft has wrapped."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def _rate(step: int, total: int) -> float:
    """Up over the first tenth of the steps, then down to 0 in a line.

    Examples
    --------
    >>> [round(_rate(n, 20), 2) for n in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.06]
    """
    warm = max(1, round(_WARM * total))
    return (step + 1) / warm if step < warm else (total - step) / max(1, total - warm)


def _steps(n: int, epochs: int, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, size):
            yield order[start : start + size]


def _by_width(lengths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Padded width and row numbers of each batch of scoring.

    Examples
    --------
    >>> list(_by_width([3, 40, 5]))
    [(16, [0, 2]), (48, [1])]
    """
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(-(-length // _STEP) * _STEP, []).append(row)
    for width in sorted(groups):
        size = max(1, _TOKENS // width)
        for start in range(0, len(groups[width]), size):
            yield width, groups[width][start : start + size]
