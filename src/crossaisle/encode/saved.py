"""Writing a reader of texts as a folder that any program on transformers reads. Imports: of its own room transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossaisle.encode.transformer import TransformersReader, quiet

__all__ = ["save_reader", "write_reading"]


def save_reader(reader: TransformersReader, folder: Path) -> None:
    """Weights, configuration, tokenizer and way of reading; ``TransformersReader(folder)`` then gives the same vectors."""
    module: Any = reader.load()[1]
    with quiet():
        module.save_pretrained(folder, safe_serialization=True)
    write_reading(reader, folder)


def write_reading(reader: TransformersReader, folder: Path) -> None:
    """Beside saved weights: the tokenizer and how the reader pools, prefixes and cuts."""
    tokenizer: Any = reader.load()[0]
    tokenizer.save_pretrained(folder)
    pooling = {f"pooling_mode_{mode}": mode.startswith(reader.pooling) for mode in ("mean_tokens", "cls_token", "lasttoken")}
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": reader.dim, **pooling})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": reader.max_tokens})
    _write(folder / "config_sentence_transformers.json", {"prompts": {"document": reader.prefix}, "default_prompt_name": "document"})
    _write(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
