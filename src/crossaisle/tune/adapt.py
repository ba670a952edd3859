"""Making exactly the chosen part of a transformers module trainable. Imports: errors; of its own room settings.

``last-n`` and ``full`` train weights as they are; ``lora`` adds W x + (alpha / rank) B A x to some linear maps W and trains A and B
(Hu et al. 2022, "LoRA", eq. 3), with B = 0 at the start, so that every form begins at the pretrained model.
"""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossaisle.errors import MissingExtra, SettingError
from crossaisle.tune.settings import TuneSettings

__all__ = ["Adapted", "adapt", "blocks_of"]

_QUERIES_AND_VALUES = (("query", "value"), ("q_proj", "v_proj"), ("q_lin", "v_lin"), ("q", "v"), ("Wqkv",), ("c_attn",))
"""What families of models call their linear maps of queries and values: BERT, Llama, DistilBERT, T5, ModernBERT, GPT-2."""


def blocks_of(module: nn.Module) -> nn.ModuleList:
    """The transformer blocks of a module: its largest list of modules of one class.

    Raises
    ------
    SettingError
        If it has none.
    """
    lists = [m for m in module.modules() if isinstance(m, nn.ModuleList) and len(m) and len({type(b) for b in m}) == 1]
    if not lists:
        raise SettingError(
            f"{type(module).__name__} has no list of blocks", "a transformer", "set text.reader to one, or tune.form to frozen"
        )
    return max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))


class Adapted:
    """A module of which a part is trained; made by `adapt`.

    Attributes
    ----------
    module : torch.nn.Module
        Takes what the pretrained module takes and returns what it returns; always in eval mode, since dropout would make the vectors
        of a step differ from the cached ones beside them.
    blocks : torch.nn.ModuleList
        Its transformer blocks.
    first : int
        The first block of which something is trained: what goes into it stays the same for ever; 0 where nothing can be kept.
    """

    def __init__(self, module: nn.Module, settings: TuneSettings, first: int) -> None:
        self.module, self.settings, self.first = module.eval(), settings, first
        self.blocks = blocks_of(module)

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name."""
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    @property
    def n_trained(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.named_parameters().values())

    def parameter_groups(self) -> list[dict[str, Any]]:
        """For an optimiser: matrices with weight decay; biases, gains and lora's corrections without, all at the form's learning rate."""
        decayed = [p for p in self.named_parameters().values() if p.ndim >= 2 and self.settings.form != "lora"]
        plain = [p for p in self.named_parameters().values() if p.ndim < 2 or self.settings.form == "lora"]
        groups = [(decayed, self.settings.weight_decay), (plain, 0.0)]
        return [{"params": p, "weight_decay": decay, "lr": self.settings.rate} for p, decay in groups if p]

    def state(self) -> dict[str, Tensor]:
        """A copy of the trained parameters."""
        return {name: p.detach().clone() for name, p in self.named_parameters().items()}

    @torch.no_grad()
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave; ValueError if it is of another form."""
        own = self.named_parameters()
        if own.keys() != state.keys():
            raise ValueError(f"{len(state)} tuned tensors for {len(own)} trained parameters; expected the same names")
        for name, p in own.items():
            p.copy_(state[name])

    def merged(self) -> nn.Module:
        """A plain module of the pretrained one's class, corrections added to their weights, nothing trained."""
        out: Any = copy.deepcopy(self.module)
        if self.settings.form == "lora":
            out = out.merge_and_unload()
        plain: nn.Module = out.eval().requires_grad_(False)
        return plain

    def save(self, folder: Path) -> None:
        """`merged` as a folder of transformers: ``config.json`` and ``model.safetensors``; the tokenizer is not this room's."""
        module: Any = self.merged()
        module.save_pretrained(folder, safe_serialization=True)


def adapt(module: nn.Module, settings: TuneSettings, *, seed: int = 0) -> Adapted:
    """A copy of a pretrained module with exactly the chosen part trainable.

    Parameters
    ----------
    module : torch.nn.Module
        What ``AutoModel`` loads (BERT, RoBERTa, Llama and their like); it stays as it is. A pooling head is never trained, since the
        states of the last block are what is read.
    settings : TuneSettings
        ``frozen`` leaves nothing to train.
    seed : int
        Of lora's first corrections.

    Raises
    ------
    SettingError
        If the module has fewer blocks than are to be trained, or none of the linear maps named.
    MissingExtra
        If peft is not installed, and lora is asked for.

    Examples
    --------
    >>> from transformers import BertConfig, BertModel
    >>> config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16)
    >>> bert = BertModel(config)
    >>> [adapt(bert, TuneSettings(form=form)).n_trained for form in ("frozen", "last-n", "lora", "full")]
    [0, 600, 768, 6328]
    """
    own: Any = copy.deepcopy(module).requires_grad_(False)
    blocks = blocks_of(own)
    if settings.layers > len(blocks):
        raise SettingError(f"tune.layers is {settings.layers}", f"at most {len(blocks)} blocks of this model", "lower tune.layers")
    if settings.form == "last-n":
        first = len(blocks) - (settings.layers or 1)
        blocks[first:].requires_grad_(True)
        return Adapted(own, settings, first)
    if settings.form == "lora":
        first = len(blocks) - (settings.layers or len(blocks))
        return Adapted(_with_lora(own, blocks, first, settings, seed), settings, first)
    if settings.form == "full":
        own.requires_grad_(True)
        if getattr(own, "pooler", None) is not None:
            own.pooler.requires_grad_(False)
        return Adapted(own, settings, 0)
    return Adapted(own, settings, len(blocks))


def _with_lora(module: nn.Module, blocks: nn.ModuleList, first: int, settings: TuneSettings, seed: int) -> nn.Module:
    if find_spec("peft") is None:
        raise MissingExtra("tune.form=lora and its corrections", "pip install 'crossaisle[tune]'")
    from peft import LoraConfig, get_peft_model

    where = next(name for name, m in module.named_modules() if m is blocks)
    inside = [name for name, m in blocks.named_modules() if not list(m.children()) and int(name.split(".")[0]) >= first]
    families = (settings.targets,) if settings.targets else _QUERIES_AND_VALUES
    chosen = next((found for ends in families if (found := [n for n in inside if n.endswith(tuple(f".{e}" for e in ends))])), [])
    if not chosen:
        wanted = ", ".join(settings.targets) or "a known name of queries and values"
        known = sorted({name.rpartition(".")[2] for name in inside})
        raise SettingError(f"no linear map of the blocks is called {wanted}", f"some of {', '.join(known)}", "set tune.targets")
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=[f"{where}.{name}" for name in chosen])
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers in a way that will end
        torch.manual_seed(seed)
        out: nn.Module = get_peft_model(module, config)
    return out
