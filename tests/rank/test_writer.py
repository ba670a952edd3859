"""Who words the reasons: a real local model, a real HTTP server, and what happens where either fails."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from rank_fakes import FakeScorer, histories, shop

from crossaisle.errors import BadInput
from crossaisle.rank import writer as writer_module
from crossaisle.rank.check import Facts
from crossaisle.rank.recommend import recommend
from crossaisle.rank.request import Request
from crossaisle.rank.settings import WriterSettings
from crossaisle.rank.writer import KEY, LocalWriter, RemoteWriter, Rewriting, choose_writer, prompt

FACTS = Facts("Tea pot", "Kettle", "purchase", template="“Tea pot” is suggested mainly because you bought “Kettle”.")
GOOD = "You bought the Kettle, so we suggest the Tea pot."


class _Chat(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen.append(
            (self.path, self.headers.get("Authorization"), json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        )
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps({"choices": [{"message": {"content": body}}]}).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(writer_module, "_WAIT", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as http:
        http.seen, http.answers = [], [(200, GOOD)]
        http.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def test_a_chat_endpoint_is_asked_as_openai_defined_it(server, monkeypatch):
    monkeypatch.setenv(KEY, "s3cret")
    assert RemoteWriter(server.url, "m", 20).write([FACTS]) == [GOOD]
    path, key, body = server.seen[0]
    assert (path, key) == ("/v1/chat/completions", "Bearer s3cret")
    assert body == {"model": "m", "messages": prompt(FACTS), "max_tokens": 20, "temperature": 0}


def test_without_a_key_none_is_sent(server, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    RemoteWriter(server.url).write([FACTS])
    assert server.seen[0][1] is None


def test_a_busy_server_is_asked_again(server):
    server.answers = [(503, b""), (429, b""), (200, GOOD)]
    assert RemoteWriter(server.url).write([FACTS]) == [GOOD]
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("answers", "asked", "problem"),
    [
        ([(500, b"")], 3, "HTTP 500"),
        ([(401, b"no s3cret")], 1, "HTTP 401"),
        ([(302, b"")], 1, "HTTP 302"),
        ([(200, b"<html>")], 1, "an answer of another form"),
        ([(200, b'{"choices": []}')], 1, "an answer of another form"),
    ],
)
def test_a_server_that_fails_leaves_the_templates_and_a_note_without_the_key(server, monkeypatch, answers, asked, problem):
    monkeypatch.setenv(KEY, "s3cret")
    server.answers = answers
    rewriting = Rewriting(RemoteWriter(server.url))
    assert rewriting([FACTS])[0].sentence == FACTS.template
    assert rewriting([FACTS])[0].sentence == FACTS.template
    assert len(server.seen) == asked  # after a failure it is not asked again
    assert rewriting.note("en") == f"the writer 127.0.0.1 did not answer ({problem}): reasons are templates"
    assert problem in rewriting.note("zh")


def test_nobody_listens(monkeypatch):
    monkeypatch.setattr(writer_module, "_WAIT", 0.001)
    rewriting = Rewriting(RemoteWriter("http://127.0.0.1:9/v1"))
    assert rewriting([FACTS])[0].sentence == FACTS.template
    assert "ConnectionRefusedError" in rewriting.note("en")


@pytest.mark.parametrize("url", ["ftp://x/v1", "http://u:p@host/v1", "http://host/v1?key=1", "http:///v1", "http://h:port/v1"])
def test_addresses_that_are_none(url):
    with pytest.raises(BadInput, match=f"^the writer's address is no plain http address.*{KEY}"):
        RemoteWriter(url)


def test_a_key_is_not_sent_in_the_clear(monkeypatch):
    monkeypatch.setenv(KEY, "s3cret")
    with pytest.raises(BadInput, match=f"^{KEY} would be sent to shop.example unencrypted") as caught:
        RemoteWriter("http://shop.example/v1")
    assert "s3cret" not in str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny causal model with random weights and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["[UNK]", "[END]", "you", "bought", "the", "kettle", "Facts", "suggest", ".", "we", "so", "pot"]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    place = tmp_path_factory.mktemp("tiny")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="[END]").save_pretrained(place)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), bos_token_id=1, eos_token_id=1, **shape)).save_pretrained(place)
    return place


def test_a_local_model_answers_each_and_alone_as_in_a_batch(folder):
    long = Facts("Tea pot", "Kettle", "purchase", ("you bought the kettle so we suggest the pot",))
    writer = LocalWriter(folder, "tiny", max_tokens=5)
    seen = []
    both = writer.write([FACTS, long], lambda *what: seen.append(what))
    assert both == [writer.write([FACTS])[0], writer.write([long])[0]]
    assert all(len(answer.split()) <= 5 for answer in both)
    assert seen == [("writing reasons", 2, 2, "tiny")]
    rewriting = Rewriting(writer)
    assert rewriting([FACTS])[0].sentence == FACTS.template  # random weights say nothing that passes
    assert rewriting.note("en").startswith("0 of 1 reasons are worded by tiny; the others failed the check and are templates (")
    assert rewriting.note("zh").startswith("1 条理由中 0 条由 tiny 撰写，其余未通过核对")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(BadInput, match=r"^the writer '.*' is no causal language model.*writer\.model"):
        choose_writer(WriterSettings(model=str(tmp_path)))


def test_what_the_settings_name(folder):
    assert choose_writer(WriterSettings()) is None
    assert isinstance(choose_writer(WriterSettings(model="https://api.example/v1")), RemoteWriter)
    assert choose_writer(WriterSettings(model=str(folder))).name == str(folder)


class Fixed:
    name = "fixed"

    def write(self, facts, progress=None):
        deed = {"en": "You looked at the {}, so we suggest the {}.", "zh": "因为您浏览过{}，为您推荐{}。"}
        return [deed[f.lang].format(f.cause, f.item) if n else "Buy now!" for n, f in enumerate(facts)]


@pytest.mark.parametrize(
    ("lang", "titles", "expected"),
    [
        ("en", ["Kettle", "Tea pot", "Mug"], "You looked at the Kettle, so we suggest the Mug."),
        ("zh", ["电热水壶", "青瓷茶壶", "马克杯"], "因为您浏览过电热水壶，为您推荐马克杯。"),
    ],
)
def test_a_list_holds_what_passed_and_says_who_wrote_it(lang, titles, expected):
    table = np.zeros((3, 3))
    table[0] = [0, 3, 2]
    catalogue = shop("AAA", title=titles, event_names=("view",))
    notes = []
    out = recommend(
        FakeScorer(table), catalogue, histories("a"), ["u"], Request(k=2, explain=True, lang=lang), writer=Fixed(), note=notes.append
    )
    assert out["written_by"].to_list() == ["template", "fixed"]
    assert out["reason"][1] == expected
    assert titles[0] in out["reason"][0]
    assert notes[0].startswith("1 of 2 reasons are worded by fixed" if lang == "en" else "2 条理由中 1 条由 fixed 撰写")
