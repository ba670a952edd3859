"""Training against the worst small change of the items' vectors. Imports: settings.

    L(theta) + weight * L(theta, e + delta),    delta_i = size * |e_i| * g_i / |g_i|,    g = dL / de

``fgm`` takes one step (Miyato et al. 2017, eq. 5; He et al. 2018, "APR", eq. 7), ``pgd`` several, each held in the ball of that size
(Madry et al. 2018, eq. 3), ``noise`` a random direction of the same size: the placebo that tells whether the direction matters. ``vat``
needs no labels: KL(p || p + delta) along the direction that changes the predictions most, found by one power step (Miyato et al. 2018,
alg. 1). Sizes are relative to the length of each item's own vector: an absolute size means nothing once vectors are normalised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.model.item_tower import Shift
from crossaisle.model.network import Network, PackedRows
from crossaisle.train.settings import TrainSettings

__all__ = ["Adversary"]

_XI = 1e-2
"""Size of the step by which ``vat`` finds its direction, relative as the size itself."""
_PLACES, _COLUMNS = 64, 2048
"""Predictions and items that ``vat`` compares in a step."""


class Adversary:
    """What takes the place of ``loss.backward()`` where training is adversarial.

    Parameters
    ----------
    settings : TrainSettings
        Of the whole schedule; the first ``adversarial_after`` of its epochs are plain.
    network : Network

    Raises
    ------
    SettingError
        If the network has no such sense.
    """

    def __init__(self, settings: TrainSettings, network: Network) -> None:
        self.kind, self.sense = settings.adversarial, settings.adversarial_on
        self.size, self.weight, self.steps = settings.adversarial_size, settings.adversarial_weight, settings.adversarial_steps
        self.first = round(settings.adversarial_after * settings.epochs)
        if self.kind != "none":
            Shift.zeros(network.tower, self.sense)

    def active(self, epoch: int) -> bool:
        """Whether this epoch (from 0) is adversarial."""
        return self.kind != "none" and epoch >= self.first

    def backward(
        self, network: Network, loss_of: Callable[[], Tensor], rows: PackedRows, generator: torch.Generator, again: bool = False
    ) -> Tensor:
        """Gradients of the plain loss and of the adversarial one; returns the plain loss.

        Parameters
        ----------
        loss_of : callable
            The loss of the step, computed anew at each call.
        again : bool
            Whether parts of its graph are made outside it (a language model that is tuned) and so have to be kept.
        """
        tower = network.tower
        shift = Shift.zeros(tower, self.sense)
        try:
            if self.kind in ("fgm", "pgd"):
                tower.shift = shift.watched()
            elif self.kind == "noise":
                tower.shift = shift
            loss = loss_of()
            loss.backward(retain_graph=again)  # type: ignore[no-untyped-call]
            if self.kind == "vat":
                self._vat(network, rows, shift, generator)
                return loss
            if self.kind == "noise":
                worse = shift.along(torch.randn(shift.delta.shape, generator=generator).to(shift.delta.device), self.size)
            else:
                assert shift.delta.grad is not None
                worse = self._climb(network, loss_of, shift, shift.delta.grad, again)
            tower.shift = worse
            (self.weight * loss_of()).backward(retain_graph=again)  # type: ignore[no-untyped-call]
            return loss
        finally:
            tower.shift = None

    def _climb(self, network: Network, loss_of: Callable[[], Tensor], shift: Shift, slope: Tensor, again: bool) -> Shift:
        """The change that ``fgm`` or ``pgd`` ends at; ``slope`` is the gradient without any."""
        steps = self.steps if self.kind == "pgd" else 1
        out = shift.along(slope, self.size / steps)
        for _ in range(steps - 1):
            network.tower.shift = out.watched()
            (slope,) = torch.autograd.grad(loss_of(), [out.delta], retain_graph=again)
            out = out.along(slope, self.size / steps, most=self.size)
        return out

    def _vat(self, network: Network, rows: PackedRows, shift: Shift, generator: torch.Generator) -> None:
        """Adds the gradient of the smoothness term; without dropout, so that nothing but the shift moves the predictions."""
        tower = network.tower
        places = torch.nonzero((rows.segment >= 0) & (rows.target_weights > 0))
        if not len(places):
            return
        few = places[torch.randperm(len(places), generator=generator)[:_PLACES].to(places.device)]
        used, inverse = torch.unique(few[:, 0], return_inverse=True)
        part, where = rows.rows(used), (inverse, few[:, 1])
        known = torch.nonzero(tower.trained)[:, 0] if len(tower.trained) else torch.arange(tower.n_items)
        columns = known[torch.randperm(len(known), generator=generator)[:_COLUMNS].to(known.device)]

        def log_p() -> Tensor:
            vectors = tower()
            states = network.states(vectors, part)[where]
            logits = network.scale * states @ F.normalize(vectors[columns], dim=-1).T
            return F.log_softmax(network.biased(logits, columns), dim=1)

        training = network.training
        network.eval()
        try:
            tower.shift = shift
            with torch.no_grad():
                before = log_p()  # also tells the shift how long the vectors are
            direction = torch.randn(shift.delta.shape, generator=generator).to(shift.delta.device)
            trial = shift.along(direction, _XI)
            tower.shift = trial.watched()
            (slope,) = torch.autograd.grad(_kl(before, log_p()), [trial.delta])
            tower.shift = shift.along(slope, self.size)
            (self.weight * _kl(before, log_p())).backward()  # type: ignore[no-untyped-call]
        finally:
            network.train(training)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """Mean KL(p || q) of log-probabilities (P, K)."""
    return F.kl_div(q, p, reduction="batchmean", log_target=True)
