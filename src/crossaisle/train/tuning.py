"""The language model's side of training: a few items of a step are read with gradient, the rest come from a cache.

Imports: tune, encode, model; nothing of this room.

After each epoch the whole catalogue is read anew, so cached vectors are at most an epoch old. The items of a step are drawn among its
targets and histories, each about once an epoch. Gradients reach the language model through the softmax, where an item is a column, and
through the history tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from crossaisle.contracts import Progress
from crossaisle.encode.senses import Sense
from crossaisle.encode.transformer import TransformersReader
from crossaisle.model.network import Network, PackedRows
from crossaisle.tune.encode import TextEncoder
from crossaisle.tune.settings import TuneSettings

__all__ = ["TunableReader", "Tuning"]

_VALUES = "catalogue"
"""The catalogue's vectors among the tensors of a state."""


@runtime_checkable
class TunableReader(Protocol):
    """What tuning needs of ``encode.items.ItemReader``."""

    def texts(self, items: pl.DataFrame) -> Sequence[str]:
        """The text of each row."""
        ...

    def text_model(self) -> TransformersReader:
        """The language model that reads them."""
        ...

    def use_text_model(self, reader: TransformersReader, note: str) -> None:
        """Read with another language model from now on."""
        ...


class Tuning:
    """A language model trained inside the network's loop.

    Parameters
    ----------
    reader : TunableReader
    settings : TuneSettings
    items : polars.DataFrame
        The catalogue, N rows.
    sense : Sense
        What the untuned language model gave for it.
    seed : int

    Attributes
    ----------
    sense : Sense
        What the language model gave after the last whole epoch.
    """

    def __init__(
        self,
        reader: TunableReader,
        settings: TuneSettings,
        items: pl.DataFrame,
        sense: Sense,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> None:
        self.reader, self.settings, self.sense, self._untuned = reader, settings, sense, sense
        self.encoder = TextEncoder(reader.text_model(), settings, seed=seed)
        self._pretrained = self.encoder.adapted.state()
        self._codes = np.flatnonzero(sense.present)
        texts = reader.texts(items)
        self._tokens = self.encoder.tokenise([texts[c] for c in self._codes.tolist()])
        self._states = self.encoder.below(self._tokens, settings.states_mb)
        self._place = np.full(len(sense.present), -1)
        self._place[self._codes] = np.arange(len(self._codes))
        self._waiting = torch.from_numpy(sense.present)
        self._generator = torch.Generator()

    def parameters(self) -> list[nn.Parameter]:
        """What is trained of the language model."""
        return list(self.encoder.adapted.named_parameters().values())

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The same for the optimiser, with their own learning rate."""
        return self.encoder.adapted.parameter_groups()

    def start_over(self) -> None:
        """Back to the pretrained language model."""
        self.encoder.adapted.load_state(self._pretrained)
        self.sense = self._untuned

    def begin_epoch(self, seed: int) -> None:
        """All items wait to be read once."""
        self._waiting = torch.from_numpy(self._untuned.present.copy())
        self._generator.manual_seed(seed)

    def read_step(self, network: Network, rows: PackedRows) -> None:
        """Read items of a step with gradient and put them in place of their cached vectors until the next call."""
        asked = torch.unique(torch.cat([rows.items[rows.segment >= 0], rows.targets[rows.target_weights > 0]])).cpu()
        asked = asked[self._waiting[asked]]
        if len(asked) > self.settings.items_per_step:
            asked = asked[torch.randperm(len(asked), generator=self._generator)[: self.settings.items_per_step]]
        self._waiting[asked] = False
        if not len(asked):
            network.tower.put("text", None)
            return
        places = self._place[asked.numpy()].tolist()
        states = None if self._states is None else [self._states[p] for p in places]
        vectors = self.encoder.vectors([self._tokens[p] for p in places], states)
        network.tower.put("text", (asked.to(vectors.device), vectors))

    def end_epoch(self, network: Network, progress: Progress | None = None) -> None:
        """Read the whole catalogue anew."""
        values = self._untuned.values.copy()
        values[self._codes] = self.encoder.read(self._tokens, self._states, progress, "reading items anew").cpu().numpy()
        self._attach(network, values)

    def state(self) -> dict[str, Tensor]:
        """A copy of what is trained, and the catalogue's vectors."""
        return {**self.encoder.adapted.state(), _VALUES: torch.from_numpy(self.sense.values)}

    def load_state(self, network: Network, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave, and attach the catalogue's vectors to the network."""
        self.encoder.adapted.load_state({name: value for name, value in state.items() if name != _VALUES})
        self._attach(network, state[_VALUES].numpy())

    def hand_over(self) -> None:
        """From now on the reader reads with the tuned language model."""
        n, form = self.encoder.adapted.n_trained, self.settings.form
        self.reader.use_text_model(self.encoder.tuned_reader(), f"tuned with the recommender ({form}, {n:,} numbers trained)")

    def _attach(self, network: Network, values: Any) -> None:
        self.sense = Sense(values, self._untuned.present)
        network.tower.put("text", None)
        network.tower.senses["text"].attach(self.sense)  # type: ignore[operator]
