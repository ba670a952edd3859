"""Settings of training. Imports: errors, settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.errors import SettingError
from crossaisle.settings import Settings, setting

__all__ = ["TrackSettings", "TrainSettings"]

SAMPLED_NEGATIVES = 4096


@dataclass(frozen=True)
class TrainSettings(Settings):
    """Optimiser, schedule and stopping."""

    objective: str = setting(
        "catalogue",
        "what is learned: the next item among all (catalogue), or the next aisle and the item inside it (factored; the same where there is "
        "one aisle), or what rating the next item gets (rating)",
        choices=("catalogue", "factored", "rating"),
    )
    rating_shrink: float = setting(
        5.0, "with objective=rating: so many average ratings are added to those of an item, and of a person, before their mean", low=0.0
    )
    aisle_balance: float = setting(
        1.0,
        "weight of a target by the size n of its aisle, n^(this - 1): 1 = all alike, 0 = every aisle as much in total",
        low=0.0,
        high=1.0,
    )
    debias: str = setting(
        "none",
        "what is done about popularity: none; ips (a target weighs 1 / the chance that it was seen); popularity (learned beside gamma "
        "log m of each item, m its events, served with debias_serve log m)",
        choices=("none", "ips", "popularity"),
    )
    debias_gamma: float = setting(
        0.5,
        "gamma; with ips an item is seen in proportion to its events to this power, where the items table has no propensity column",
        low=0.0,
        high=4.0,
    )
    debias_clip: float = setting(20.0, "with ips: the largest weight is at most so many times the smallest", low=1.0)
    debias_serve: str = setting(
        "0", "with popularity: the gamma' of what is served; 0 = without popularity, auto = what ranks best on validation"
    )
    unlabelled: str = setting(
        "none",
        "histories without anything to predict (one event): left out (none), or given soft labels by steps and words (pseudo); shuffled: "
        "the same labels dealt out among them, a placebo",
        choices=("none", "pseudo", "shuffled"),
    )
    pseudo_weight: float = setting(0.3, "weight of the soft labels, reached after a fifth of the steps", low=0.0, high=100.0)
    pseudo_temperature: float = setting(1.0, "soft labels are p^(1 / this): the higher, the more alike", low=0.01, high=100.0)
    pseudo_histories: int = setting(64, "histories without anything to predict in one step", low=1)
    consistency: float = setting(
        0.0, "weight of the difference between what is predicted with and without the ids of a history; 0 = off", low=0.0, high=100.0
    )
    epochs: int = setting(8, "passes over the data; the learning rate falls over these", low=1, high=10000)
    patience: int = setting(3, "epochs without a better validation N@10 before training stops", low=1)
    refit: bool = setting(True, "after choosing when to stop, train once more on everything for as long")
    optimizer: str = setting(
        "adamw",
        "adamw, adam or sgd (momentum 0.9); in adam and sgd weight decay joins the gradient, so adam wants a far smaller one",
        choices=("adamw", "adam", "sgd"),
    )
    learning_rate: float = setting(0.01, "highest learning rate", low=0.0, high=10.0)
    weight_decay: float = setting(0.05, "weight decay on the rest, not on vectors and positions", low=0.0, high=100.0)
    id_weight_decay: float = setting(3.0, "weight decay on id vectors, so that an id says only what its text does not", low=0.0, high=100.0)
    warmup: float = setting(0.05, "share of the steps in which the learning rate rises", low=0.0, high=1.0)
    floor: float = setting(0.02, "learning rate at the end, as a share of the highest", low=0.0, high=1.0)
    clip: float = setting(5.0, "largest gradient norm", low=0.0)
    tokens_per_step: int = setting(2048, "history places in one step", low=2)
    negatives: int = setting(0, "sampled negatives shared by a step; 0 = the whole catalogue up to full_softmax_items, 4096 above", low=0)
    full_softmax_items: int = setting(40_000, "largest catalogue that is trained with the full softmax", low=1)
    adversarial: str = setting(
        "none",
        "a second loss on items changed for the worse: one step along the gradient (fgm), several (pgd), without labels (vat), or a random "
        "change of the same size (noise), which is the control",
        choices=("none", "fgm", "pgd", "vat", "noise"),
    )
    adversarial_on: str = setting("", "what is changed: the items' vectors (empty), or what a dense sense says (text, image, video)")
    adversarial_size: float = setting(0.1, "size of the change, as a share of each vector's length", low=0.0, high=10.0)
    adversarial_weight: float = setting(0.5, "weight of the second loss", low=0.0, high=100.0)
    adversarial_steps: int = setting(3, "steps of pgd", low=1, high=100)
    adversarial_after: float = setting(0.5, "share of the epochs that come first, without it", low=0.0, high=1.0)
    char_noise: float = setting(
        0.0, "share of an item's letters that are mistyped in some epochs, so that typos harm less; 0 = none", low=0.0, high=1.0
    )
    char_noise_sets: int = setting(1, "sets of such errors; the catalogue is read once for each", low=1, high=100)
    conflict: str = setting(
        "none",
        "where aisles (the three largest and the rest) pull the history encoder in opposite directions: the sum of their gradients (none), "
        "or that without what each has against the others (pcgrad); a step costs as many as there are groups",
        choices=("none", "pcgrad"),
    )
    contrastive: str = setting(
        "none",
        "a contrast beside the loss: two changed views of a history (views), what one person did in different aisles (aisles), an item's "
        "id and what it says (item)",
        choices=("none", "views", "aisles", "item"),
    )
    contrastive_weight: float = setting(0.1, "weight of the contrast", low=0.0, high=100.0)
    contrastive_temperature: float = setting(0.2, "what cosines are divided by in the contrast", low=0.01, high=10.0)
    contrastive_batch: int = setting(256, "histories or items of a contrast", low=2)
    validation_users: int = setting(20_000, "most users whose held-back item is ranked after each epoch", low=1)
    precision: str = setting("auto", "of the large products: bfloat16 where the processor has it", choices=("auto", "float32", "bfloat16"))

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            serve = self.served_gamma
        except ValueError:
            serve = float("nan")
        if serve is not None and not abs(serve) <= 4:
            raise SettingError(
                f"setting debias_serve is {self.debias_serve!r}", "auto, or a number from -4 to 4", "see: crossaisle settings train"
            )

    @property
    def served_gamma(self) -> float | None:
        """`debias_serve` as a number; None where it is chosen on validation.

        Examples
        --------
        >>> TrainSettings(debias_serve="0.25").served_gamma, TrainSettings(debias_serve="auto").served_gamma
        (0.25, None)
        """
        return None if self.debias_serve.strip() == "auto" else float(self.debias_serve)

    def negatives_of(self, n_items: int) -> int:
        """Negatives sampled a step for a catalogue of n_items; 0 where the whole catalogue is ranked.

        Examples
        --------
        >>> TrainSettings().negatives_of(20_000), TrainSettings().negatives_of(500_000), TrainSettings(negatives=64).negatives_of(1_000)
        (0, 4096, 64)
        """
        return self.negatives or (0 if n_items <= self.full_softmax_items else SAMPLED_NEGATIVES)


SINKS = ("jsonl", "tensorboard", "wandb")


@dataclass(frozen=True)
class TrackSettings(Settings):
    """Where training's figures go while it runs."""

    sinks: tuple[str, ...] = setting(
        (), "with fit --track DIR: jsonl, tensorboard, wandb (WANDB_MODE=offline is honoured); none named = jsonl"
    )
    every: int = setting(50, "of the training steps each such one is told, beside every epoch; 0 = epochs only", low=0)
    project: str = setting("crossaisle", "Weights & Biases: the project's name")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.sinks:
            if name not in SINKS:
                raise SettingError(f"track.sinks names {name!r}", f"some of {', '.join(SINKS)}", "see: crossaisle settings track")
