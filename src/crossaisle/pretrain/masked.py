"""Masked modelling, next tokens and sentence pairs on a shop's own texts. Imports: errors, encode.transformer; of its own room
language_model, objective, settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import BadInput
from crossaisle.pretrain.language_model import LanguageModel, chunks
from crossaisle.pretrain.objective import step_seed
from crossaisle.pretrain.settings import PretrainSettings

__all__ = ["MaskedHead", "NextToken", "MaskedWords", "SentencePairs", "hide_tokens", "is_causal"]

_OWN = "cls.predictions.", "lm_head."
"""Where a folder keeps its masked head: BERT, RoBERTa."""


def is_causal(model: LanguageModel) -> bool:
    """Whether a token sees only those before it: the second token's change must not reach the first.

    Found by trying, since configurations do not agree on how to say it.
    """
    a, b, c = (int(i) for i in sorted(set(range(1000)) - set(model.tokenizer.all_special_ids))[10:13])
    was = model.module.training
    model.module.eval()
    with torch.no_grad():
        states, _ = model.states([[a, b], [a, c]])
    model.module.train(was)
    return bool(torch.allclose(states[0, 0], states[1, 0], atol=1e-3 * float(states.abs().max())))


class MaskedHead(nn.Module):
    """State of a masked place -> scores of the vocabulary: dense, gelu, layer norm, the word embeddings and a bias.

    The model's own where its folder holds one; else a new one that starts as the identity on the tied word embeddings.

    Parameters
    ----------
    dim, vocabulary : int
    eps : float
        Of the layer norm, as in the model's own.

    Attributes
    ----------
    made_new : bool
    """

    def __init__(self, dim: int, vocabulary: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.eye_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        self.made_new = True

    @classmethod
    def of(cls, reader: TransformersReader, vocabulary: int) -> MaskedHead:
        """The head that the reader's folder holds, or a new one."""
        out = cls(reader.dim, vocabulary, float(getattr(reader.load()[1].config, "layer_norm_eps", 1e-12)))
        kept: dict[str, torch.Tensor] = {}
        for path in sorted(reader.path.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                kept |= {name: file.get_tensor(name) for name in file.keys() if name.startswith(_OWN)}  # noqa: SIM118
        short = {name.removeprefix(_OWN[0]).removeprefix(_OWN[1]).removeprefix("transform."): t for name, t in kept.items()}
        parts = {
            "dense.weight": short.get("dense.weight"),
            "dense.bias": short.get("dense.bias"),
            "norm.weight": short.get("LayerNorm.weight", short.get("layer_norm.weight")),
            "norm.bias": short.get("LayerNorm.bias", short.get("layer_norm.bias")),
            "bias": short.get("bias"),
        }
        own = out.state_dict()
        found = {name: t for name, t in parts.items() if t is not None and t.shape == own[name].shape}
        if len(found) == len(own):
            out.load_state_dict(found)
            out.made_new = False
        return out

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """float (M, D) and the word embeddings (V, D) -> (M, V)."""
        scores: torch.Tensor = self.norm(nn.functional.gelu(self.dense(states))) @ embeddings.T + self.bias
        return scores


def hide_tokens(
    tokens: Sequence[Sequence[int]], special: set[int], mask: int, vocabulary: int, share: float, rng: np.random.Generator
) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """Some tokens hidden: of these 80 % become the mask, 10 % any token, 10 % stay (Devlin and others 2019, section 3.1).

    Returns
    -------
    hidden : lists of token ids
    asked : list of (row, place, token that stood there)
        At least one for a text with any token that is not special.

    Examples
    --------
    >>> hidden, asked = hide_tokens([[1, 7, 8, 9, 2]], {1, 2}, 4, 100, 0.0, np.random.default_rng(0))
    >>> len(asked), hidden[0][0], hidden[0][-1]
    (1, 1, 2)
    """
    hidden, asked = [list(ids) for ids in tokens], []
    for row, ids in enumerate(hidden):
        places = [p for p, token in enumerate(ids) if token not in special]
        if not places:
            continue
        chosen = [p for p in places if rng.random() < share] or [places[int(rng.integers(len(places)))]]
        for place in chosen:
            asked.append((row, place, ids[place]))
            draw = rng.random()
            if draw < 0.8:
                ids[place] = mask
            elif draw < 0.9:
                ids[place] = int(rng.integers(vocabulary))
    return hidden, asked


class _Texts:
    """What the objectives on texts share: an epoch's order, parts that fit, held-out texts."""

    name = ""
    head: nn.Module | None = None

    def __init__(self, model: LanguageModel, learned: Sequence[Any], held: Sequence[Any], settings: PretrainSettings, seed: int) -> None:
        self.model, self.learned, self.held, self.settings, self.seed = model, learned, held, settings, seed
        self._epoch, self._order = 0, np.zeros(0, np.int64)

    def begin(self, epoch: int) -> int:
        """See `objective.Objective`."""
        self._epoch = epoch
        self._order = np.random.default_rng((self.seed, 5, epoch)).permutation(len(self.learned))
        return -(-len(self._order) // self.settings.text_batch)

    def backward(self, step: int) -> float:
        """See `objective.Objective`."""
        rows = self._order[step * self.settings.text_batch : (step + 1) * self.settings.text_batch]
        seed = step_seed(self.seed, 6, self._epoch, step)
        return self._through([self.learned[r] for r in rows], seed, learn=True)

    def held_out(self) -> float:
        """See `objective.Objective`; what is hidden or mismatched is the same after every epoch."""
        was = self.model.module.training
        self.model.module.eval()
        size, total = self.settings.text_batch, 0.0
        with torch.no_grad():
            for start in range(0, len(self.held), size):
                part = self.held[start : start + size]
                total += len(part) * self._through(part, step_seed(self.seed, 7, start), learn=False)
        self.model.module.train(was)
        return total / max(1, len(self.held))

    def _through(self, batch: Sequence[Any], seed: int, learn: bool) -> float:
        """Mean loss of a batch, in parts whose gradients are added."""
        tokens, kinds, answers = self._asked(batch, np.random.default_rng(seed))
        count, total = max(1, self._count(answers)), 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for rows in chunks([len(ids) for ids in tokens], self.settings.chunk_tokens):
                states, lengths = self.model.states([tokens[r] for r in rows], None if kinds is None else [kinds[r] for r in rows])
                loss = self._loss(states, lengths, [tokens[r] for r in rows], rows, answers) / count
                if learn:
                    loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
        return total

    def _asked(self, batch: Sequence[Any], rng: np.random.Generator) -> tuple[list[list[int]], list[list[int]] | None, Any]:
        raise NotImplementedError

    def _count(self, answers: Any) -> int:
        return len(answers)

    def _loss(self, states: torch.Tensor, lengths: torch.Tensor, tokens: list[list[int]], rows: list[int], answers: Any) -> torch.Tensor:
        raise NotImplementedError

    @property
    def _embeddings(self) -> torch.Tensor:
        module: Any = self.model.module
        weight: torch.Tensor = module.get_input_embeddings().weight
        return weight


class MaskedWords(_Texts):
    """Hidden tokens of a text are told from the rest of it.

    Raises
    ------
    BadInput
        If the model's tokenizer has no mask.
    """

    name = "masked"

    def __init__(self, model: LanguageModel, learned: Sequence[Any], held: Sequence[Any], settings: PretrainSettings, seed: int) -> None:
        super().__init__(model, learned, held, settings, seed)
        if model.tokenizer.mask_token_id is None:
            raise BadInput(f"the language model {model.reader.name!r} has no mask token", "a masked one", "set pretrain.objectives")
        self.head = MaskedHead.of(model.reader, len(self._embeddings)).to(model.device)
        self._special = set(model.tokenizer.all_special_ids)

    def _asked(self, batch: Sequence[Any], rng: np.random.Generator) -> tuple[list[list[int]], None, Any]:
        mask, vocabulary = self.model.tokenizer.mask_token_id, len(self._embeddings)
        hidden, asked = hide_tokens(batch, self._special, mask, vocabulary, self.settings.masked_share, rng)
        return hidden, None, asked

    def _loss(self, states: torch.Tensor, lengths: torch.Tensor, tokens: list[list[int]], rows: list[int], answers: Any) -> torch.Tensor:
        place_of = {row: place for place, row in enumerate(rows)}
        mine = [(place_of[row], place, token) for row, place, token in answers if row in place_of]
        if not mine:
            return states.sum() * 0.0
        at, place, token = (torch.tensor(column, device=states.device) for column in zip(*mine, strict=True))
        assert self.head is not None
        return nn.functional.cross_entropy(self.head(states[at, place], self._embeddings), token, reduction="sum")


class NextToken(_Texts):
    """Each token of a text is told from those before it, by the word embeddings or the model's own output map.

    Raises
    ------
    BadInput
        If tokens of the model see those after them.
    """

    name = "next-token"

    def __init__(self, model: LanguageModel, learned: Sequence[Any], held: Sequence[Any], settings: PretrainSettings, seed: int) -> None:
        super().__init__(model, learned, held, settings, seed)
        if not is_causal(model):
            raise BadInput(
                f"the language model {model.reader.name!r} is no causal one",
                "one that reads left to right",
                "set pretrain.objectives to masked,pairs",
            )
        self._output: torch.Tensor | None = None
        for path in sorted(model.reader.path.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                if "lm_head.weight" in file.keys():  # noqa: SIM118
                    self._output = file.get_tensor("lm_head.weight").float().to(model.device)

    def _asked(self, batch: Sequence[Any], rng: np.random.Generator) -> tuple[list[list[int]], None, Any]:
        return [list(ids) for ids in batch], None, [max(0, len(ids) - 1) for ids in batch]

    def _count(self, answers: Any) -> int:
        return int(sum(answers))

    def _loss(self, states: torch.Tensor, lengths: torch.Tensor, tokens: list[list[int]], rows: list[int], answers: Any) -> torch.Tensor:
        output = self._embeddings if self._output is None else self._output
        places = torch.arange(states.shape[1] - 1, device=states.device)[None, :] < lengths[:, None] - 1
        if not places.any():
            return states.sum() * 0.0
        following = torch.tensor([token for ids in tokens for token in ids[1:]], device=states.device)
        return nn.functional.cross_entropy(states[:, :-1][places] @ output.T, following, reduction="sum")


class SentencePairs(_Texts):
    """Do two pieces of text belong to one item? Half of the pairs are mismatched with another item's piece of the same kind.

    Parameters
    ----------
    learned, held : sequence of (kind, first, second)
        Pieces of one item: its title with its brand, category path or description, or the halves of its text.
    """

    name = "sentence-pair"

    def __init__(self, model: LanguageModel, learned: Sequence[Any], held: Sequence[Any], settings: PretrainSettings, seed: int) -> None:
        super().__init__(model, learned, held, settings, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_seed(seed, 8))
            self.head = nn.Linear(model.reader.dim, 1).to(model.device)
        self._others: dict[str, list[str]] = {}
        for kind, _, second in (*learned, *held):
            self._others.setdefault(kind, []).append(second)

    def _asked(self, batch: Sequence[Any], rng: np.random.Generator) -> tuple[list[list[int]], list[list[int]] | None, Any]:
        firsts, seconds, right = [], [], []
        for kind, first, second in batch:
            other = self._others[kind][int(rng.integers(len(self._others[kind])))]
            wrong = bool(rng.random() < 0.5) and other != second
            firsts.append(self.model.reader.prefix + first)
            seconds.append(other if wrong else second)
            right.append(not wrong)
        kinds = "token_type_ids" in self.model.tokenizer.model_input_names
        read = self.model.tokenizer(
            firsts,
            seconds,
            truncation="longest_first",
            max_length=self.model.max_tokens,
            return_token_type_ids=kinds,
            return_attention_mask=False,
        )
        return read["input_ids"], read["token_type_ids"] if kinds else None, right

    def _loss(self, states: torch.Tensor, lengths: torch.Tensor, tokens: list[list[int]], rows: list[int], answers: Any) -> torch.Tensor:
        # scaled back to where a logistic map of a few steps can tell: vectors of length 1 give it next to nothing
        pooled = self.model.reader.pool(states, lengths) * states.shape[-1] ** 0.5
        assert self.head is not None
        right = torch.tensor([float(answers[r]) for r in rows], device=states.device)
        return nn.functional.binary_cross_entropy_with_logits(self.head(pooled)[:, 0], right, reduction="sum")
