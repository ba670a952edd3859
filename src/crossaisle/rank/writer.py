"""Reasons in a language model's words, each checked against its facts. Imports: check, settings.

A writer gets the facts of each reason and answers one sentence. What `check.fault` objects to is thrown away and the template stays, so a
reason is never worse grounded than without a writer.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from crossaisle.contracts import Progress
from crossaisle.encode.causal import smollm2_folder
from crossaisle.encode.transformer import downloaded, quiet
from crossaisle.errors import BadInput
from crossaisle.rank.check import Facts, fault
from crossaisle.rank.settings import WriterSettings

__all__ = ["KEY", "LocalWriter", "RemoteWriter", "Rewriting", "Writer", "Written", "choose_writer", "prompt"]

KEY = "CROSSAISLE_WRITER_KEY"
"""The environment variable that holds the key of a remote writer; it is read at each call, never kept and never shown."""
_BATCH = 8
_TRIES, _WAIT = 3, 0.5
_LOCAL = ("localhost", "127.0.0.1", "::1")
_SYSTEM = {
    "en": "You write one short sentence that tells a shopper why an item is suggested. Use only the facts. Add nothing.",
    "zh": "你为顾客写一句简短的推荐理由。只能使用给出的事实，不得添加任何内容。",
}
_ASK = {
    "en": "Facts:\n- {deed}: {cause}\n- suggested item: {item}{more}\nWrite one sentence that names both.",
    "zh": "事实：\n- {deed}：{cause}\n- 推荐的商品：{item}{more}\n请写一句话，两者都要提到。",
}
_DEED = {
    "en": {
        "purchase": "you bought",
        "view": "you looked at",
        "cart": "you put in your cart",
        "rating": "you rated",
        "like": "you liked",
        "wish": "you asked for",
        "": "in your history",
    },
    "zh": {
        "purchase": "您购买过",
        "view": "您浏览过",
        "cart": "您曾加入购物车",
        "rating": "您评价过",
        "like": "您收藏过",
        "wish": "您想要",
        "": "您的历史记录中有",
    },
}
_SHOWN = {
    "en": (Facts("Oak desk", "Desk lamp", "purchase"), "Because you bought the Desk lamp, we suggest the Oak desk."),
    "zh": (Facts("橡木书桌", "护眼台灯", "purchase", lang="zh"), "因为您购买过护眼台灯，为您推荐橡木书桌。"),
}
"""One example, as the conversation's first turn; its own words are in no shop's facts, so repeating it is discarded."""


class Written(NamedTuple):
    """A reason: the sentence that is shown, and why the model's own was discarded ("" where it is the model's)."""

    sentence: str
    fault: str


class Writer(Protocol):
    """Turns facts into sentences."""

    name: str

    def write(self, facts: Sequence[Facts], progress: Progress | None = None) -> list[str]:
        """One answer for each, whatever the model says.

        Raises
        ------
        OSError
            If the model cannot be reached.
        """
        ...


def prompt(facts: Facts) -> list[dict[str, str]]:
    """The conversation that asks for one sentence: system, an example, the facts."""
    example, answer = _SHOWN[facts.lang]
    return [
        {"role": "system", "content": _SYSTEM[facts.lang]},
        {"role": "user", "content": _asked(example)},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": _asked(facts)},
    ]


def _asked(facts: Facts) -> str:
    more = "".join(f"\n- {statement}" for statement in facts.statements)
    return _ASK[facts.lang].format(item=facts.item, cause=facts.cause, deed=_DEED[facts.lang][facts.deed], more=more)


class LocalWriter:
    """A causal model of the transformers library: greedy, by its chat template where it has one.

    Parameters
    ----------
    folder : Path
        A model with its tokenizer.
    name : str
        What the user calls it.
    max_tokens : int
        At most so many new tokens.

    Raises
    ------
    BadInput
        If the folder holds no causal model.
    """

    def __init__(self, folder: Path, name: str, max_tokens: int = 60, device: str = "cpu") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.name, self.max_tokens, self.device = name, max_tokens, device
        try:
            with quiet():
                self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), padding_side="left", local_files_only=True)
                self.model: Any = AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True).to(device).eval()
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(
                f"the writer {name!r} is no causal language model ({type(error).__name__})",
                "a folder with config.json, weights and a tokenizer",
                "set writer.model to smollm2, a folder, a Hugging Face name or an address that ends in /v1",
            ) from None
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def write(self, facts: Sequence[Facts], progress: Progress | None = None) -> list[str]:
        """See `Writer`."""
        out: list[str] = []
        for start in range(0, len(facts), _BATCH):
            out += self._batch([self._text(f) for f in facts[start : start + _BATCH]])
            if progress is not None:
                progress("writing reasons", len(out), len(facts), self.name)
        return out

    def _text(self, facts: Facts) -> str:
        if self.tokenizer.chat_template:
            return str(self.tokenizer.apply_chat_template(prompt(facts), tokenize=False, add_generation_prompt=True))
        return "\n\n".join(turn["content"] for turn in prompt(facts)) + "\n\n"

    def _batch(self, texts: list[str]) -> list[str]:
        import torch

        read = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not self.tokenizer.chat_template)
        read = {name: value.to(self.device) for name, value in read.items() if name in ("input_ids", "attention_mask")}
        with quiet(), torch.inference_mode():
            made = self.model.generate(
                **read,
                max_new_tokens=self.max_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        new = made[:, read["input_ids"].shape[1] :]
        return [str(text).strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the facts to another host."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


class RemoteWriter:
    """A chat endpoint as OpenAI defined it (``POST {url}/chat/completions``).

    The key is taken from the environment variable `KEY`, if it is set, and sent by https or to this machine only.

    Parameters
    ----------
    url : str
        Up to ``/v1``.
    model : str
        The model's name there.
    max_tokens : int
    timeout : float
        Seconds a call.

    Raises
    ------
    BadInput
        If the address cannot be one, or a key would be sent in the clear.
    """

    def __init__(self, url: str, model: str = "default", max_tokens: int = 60, timeout: float = 30.0) -> None:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https") or parts.username or parts.query or parts.fragment:
            raise BadInput(
                "the writer's address is no plain http address", "http(s)://HOST/v1 without a name, key or query", f"put a key into {KEY}"
            )
        if parts.scheme == "http" and host not in _LOCAL and os.environ.get(KEY):
            raise BadInput(f"{KEY} would be sent to {host} unencrypted", "an https address", "use https, or unset the key")
        self.name, self.url, self.model, self.max_tokens, self.timeout = host, url.rstrip("/"), model, max_tokens, timeout
        handlers: list[Any] = [_NoRedirect(), *([urllib.request.ProxyHandler({})] if host in _LOCAL else [])]
        self._open = urllib.request.build_opener(*handlers).open

    def write(self, facts: Sequence[Facts], progress: Progress | None = None) -> list[str]:
        """See `Writer`."""
        out = []
        for n, one in enumerate(facts):
            out.append(self._one(one))
            if progress is not None:
                progress("writing reasons", n + 1, len(facts), self.name)
        return out

    def _one(self, facts: Facts) -> str:
        body = {"model": self.model, "messages": prompt(facts), "max_tokens": self.max_tokens, "temperature": 0}
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers, method="POST")
        answer = self._answer(request)
        try:
            return str(json.loads(answer)["choices"][0]["message"]["content"] or "").strip()
        except (ValueError, KeyError, IndexError, TypeError):
            raise ConnectionError("an answer of another form") from None

    def _answer(self, request: urllib.request.Request) -> bytes:
        """The body; tried again where the server is busy or away for a moment."""
        for tried in range(_TRIES):
            try:
                with self._open(request, timeout=self.timeout) as response:
                    return bytes(response.read(1_000_000))
            except urllib.error.HTTPError as error:
                error.close()
                problem = f"HTTP {error.code}"
                if error.code not in (408, 429, 500, 502, 503, 504):
                    raise ConnectionError(problem) from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                problem = type(reason).__name__
            if tried + 1 < _TRIES:
                time.sleep(_WAIT * 2**tried)
        raise ConnectionError(problem)


def choose_writer(settings: WriterSettings, device: str = "cpu") -> Writer | None:
    """The writer that the settings name; None for the templates alone.

    Raises
    ------
    BadInput
        If there is no such model.
    MissingExtra
        If smollm2's packages are not installed.
    """
    name = settings.model.strip()
    if not name:
        return None
    if "://" in name:
        return RemoteWriter(name, settings.remote_name, settings.max_tokens, settings.timeout)
    folder = smollm2_folder() if name == "smollm2" else Path(name).expanduser()
    if not folder.is_dir():
        folder = downloaded(name)
    return LocalWriter(folder, name, settings.max_tokens, device)


class Rewriting:
    """One call's reasons in a writer's words: portion by portion, with a count of what was discarded.

    Parameters
    ----------
    writer : Writer
    progress : Progress, optional

    Attributes
    ----------
    problem : str
        Why the writer could not be asked, "" while it can; it is then not asked again.
    written : list of Written

    Examples
    --------
    >>> class Fixed:
    ...     name = "fixed"
    ...     def write(self, facts, progress=None):
    ...         return ["You bought the Kettle, so we suggest the Tea pot.", "It is the best!"]
    >>> facts = Facts("Tea pot", "Kettle", "purchase", template="“Tea pot” is suggested mainly because you bought “Kettle”.")
    >>> found = Rewriting(Fixed())([facts, facts])
    >>> [w.fault for w in found], found[1].sentence == facts.template
    (['', 'foreign word'], True)
    """

    def __init__(self, writer: Writer, progress: Progress | None = None) -> None:
        self.writer, self.progress, self.problem = writer, progress, ""
        self.written: list[Written] = []

    def __call__(self, facts: Sequence[Facts]) -> list[Written]:
        """A sentence for each: the writer's where nothing is wrong with it, else the template's."""
        said: list[str] | None = None
        if not self.problem:
            try:
                said = self.writer.write(facts, self.progress)
            except OSError as error:
                self.problem = str(error)[:200] or type(error).__name__
        out = (
            [_written(f, s) for f, s in zip(facts, said, strict=True)] if said is not None else [Written(f.template, "away") for f in facts]
        )
        self.written += out
        return out

    def note(self, lang: str) -> str:
        """One line: how many reasons the model worded, and why the others are the template's."""
        name, zh = self.writer.name, lang == "zh"
        if self.problem:
            if zh:
                return f"撰写模型 {name} 未能作答（{self.problem}）：推荐理由用模板"
            return f"the writer {name} did not answer ({self.problem}): reasons are templates"
        causes = Counter(w.fault for w in self.written if w.fault)
        own, why = len(self.written) - causes.total(), ", ".join(f"{cause} {n}" for cause, n in causes.most_common())
        if zh:
            return f"{len(self.written)} 条理由中 {own} 条由 {name} 撰写" + (f"，其余未通过核对，用模板（{why}）" if why else "")
        rest = f"; the others failed the check and are templates ({why})" if why else ""
        return f"{own} of {len(self.written)} reasons are worded by {name}{rest}"


def _written(facts: Facts, sentence: str) -> Written:
    wrong = fault(sentence, facts)
    return Written(facts.template if wrong else " ".join(sentence.split()), wrong)
