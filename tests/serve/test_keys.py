"""Keys: kept as hashes, shown once, with scopes; and how often one may ask."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from serve_fakes import Shop
from test_api import EVENT, refused

from crossaisle.cli.main import run
from crossaisle.errors import OutputError, RequestError, TableError
from crossaisle.serve.keys import KeyFile, add_key, read_keys, remove_key
from crossaisle.serve.limits import MAX_KEYS
from crossaisle.serve.run import check_open, listen


@pytest.fixture
def ring(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "keys.json"
    return {"file": str(file)} | {name: add_key(file, name, (name,)) for name in ("read", "write", "admin")}


def keyed(ring: dict[str, str], **settings: Any) -> Shop:
    web = Shop(**settings)
    web.keys, web.host = KeyFile(Path(ring["file"])), "web.example"
    return web


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_the_file_holds_hashes_and_is_its_owners_alone(ring: dict[str, str]) -> None:
    file = Path(ring["file"])
    text = file.read_text()
    assert not any(ring[name] in text or ring[name][3:] in text for name in ("read", "write", "admin"))
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert [(key.name, key.number, key.scopes) for key in read_keys(file)] == [
        ("read", 0, ("read",)),
        ("write", 1, ("write",)),
        ("admin", 2, ("admin",)),
    ]


def test_keys_are_long_and_unlike_each_other(ring: dict[str, str]) -> None:
    assert len({ring[name] for name in ("read", "write", "admin")}) == 3
    assert min(len(ring[name]) for name in ("read", "write", "admin")) >= 43


CALLS = [
    ("GET", "/api/v1/recommend/u1", None, "read"),
    ("POST", "/api/v1/recommend", {}, "read"),
    ("GET", "/api/v1/similar/i1", None, "read"),
    ("GET", "/api/v1/items", None, "read"),
    ("GET", "/api/v1/users/u1", None, "read"),
    ("GET", "/api/v1/shoppers", None, "read"),
    ("GET", "/api/v1/graph", None, "read"),
    ("GET", "/api/v1/model", None, "read"),
    ("GET", "/metrics", None, "read"),
    ("POST", "/api/v1/events", {"events": [EVENT]}, "write"),
    ("PUT", "/api/v1/items", {"items": [{"item_id": "a", "title": "b"}]}, "write"),
    ("DELETE", "/api/v1/items/i1", None, "write"),
    ("DELETE", "/api/v1/users/u1", None, "admin"),
    ("GET", "/api/v1/overview", None, "admin"),
    ("POST", "/api/v1/abnormal/i1", {"undo": True}, "admin"),
]


@pytest.mark.parametrize(("method", "path", "body", "needs"), CALLS)
def test_each_call_needs_its_scope(ring: dict[str, str], method: str, path: str, body: Any, needs: str) -> None:
    async def story(client: Any) -> None:
        basic = f"Basic {ring['admin']}"
        wrong: list[Any] = [{}, bearer("ca_wrong"), {"authorization": basic}, {"x-api-key": ""}, {"authorization": b"Bearer \xff"}]
        for headers in wrong:
            answer = await client.request(method, path, json=body, headers=headers)
            refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        for name in ("read", "write"):
            answer = await client.request(method, path, json=body, headers=bearer(ring[name]))
            assert answer.status_code == (200 if name == needs else 403), name
            if name != needs:
                assert f"one with {needs}" in answer.text
        assert (await client.request(method, path, json=body, headers={"x-api-key": ring[needs]})).status_code in (200, 404)
        assert (await client.request(method, path, json=body, headers=bearer(ring["admin"]))).status_code in (200, 404)

    keyed(ring).run(story)


def test_every_call_of_the_docs_is_in_the_list_above_or_open(web: Shop) -> None:
    described = web.get("/openapi.json").json()["paths"]
    told = {(method.upper(), path) for path, methods in described.items() for method in methods}
    tried = {(m, p.replace("/u1", "/{user_id}").replace("/i1", "/{item_id}")) for m, p, _, _ in CALLS if p != "/metrics"}
    assert told - tried == {("GET", "/api/v1/health/live"), ("GET", "/api/v1/health/ready")}


def test_health_and_docs_are_open(ring: dict[str, str]) -> None:
    web = keyed(ring)
    for path in ("/api/v1/health/live", "/api/v1/health/ready", "/docs", "/openapi.json"):
        assert web.get(path).status_code == 200
    assert "securitySchemes" in web.get("/openapi.json").json()["components"]


def test_a_refusal_shows_no_key(ring: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    answer = keyed(ring, access_log=True).get("/api/v1/model", headers=bearer("ca_secret"))
    assert "ca_secret" not in answer.text
    assert "ca_secret" not in caplog.text


def test_too_many_requests_of_one_key_are_429_and_the_other_key_goes_on(ring: dict[str, str]) -> None:
    async def story(client: Any) -> None:
        statuses = [(await client.get("/api/v1/model", headers=bearer(ring["read"]))) for _ in range(4)]
        assert [answer.status_code for answer in statuses] == [200, 200, 200, 429]
        refused(statuses[-1], 429)
        assert 900 <= int(statuses[-1].headers["retry-after"]) <= 1_001
        assert (await client.get("/api/v1/model", headers=bearer(ring["admin"]))).status_code == 200

    keyed(ring, rate=0.001, burst=3).run(story)


def test_a_running_service_takes_up_a_change_of_the_file(ring: dict[str, str]) -> None:
    file = Path(ring["file"])
    keys = KeyFile(file)
    assert keys.find(ring["read"], now=10.0) is not None
    remove_key(file, "read")
    late = add_key(file, "late", ("read",))
    assert keys.find(late, now=10.5) is None
    assert keys.find(late, now=11.5) is not None
    assert keys.find(ring["read"], now=11.5) is None
    file.write_text("half a fi")
    assert keys.find(late, now=13.0) is not None  # the keys read last go on
    file.unlink()
    assert keys.find(late, now=15.0) is not None


def test_numbers_are_used_again(ring: dict[str, str]) -> None:
    file = Path(ring["file"])
    remove_key(file, "write")
    add_key(file, "next", ("read", "write", "read"))
    assert {key.name: (key.number, key.scopes) for key in read_keys(file)}["next"] == (1, ("read", "write"))


def test_what_cannot_be_made_or_removed(ring: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(ring["file"])
    with pytest.raises(RequestError, match="a key named 'read' is there"):
        add_key(file, "read", ("read",))
    with pytest.raises(RequestError, match="name 'a b'"):
        add_key(file, "a b", ("read",))
    with pytest.raises(RequestError, match="scopes root"):
        add_key(file, "x", ("root",))
    with pytest.raises(RequestError, match="scopes none"):
        add_key(file, "x", ())
    with pytest.raises(RequestError, match="no key is named 'x'; expected one of: admin, read, write"):
        remove_key(file, "x")
    with pytest.raises(OutputError, match="cannot be read"):
        add_key(tmp_path / "no" / "keys.json", "x", ("read",))
    monkeypatch.setattr("crossaisle.serve.keys.MAX_KEYS", 3)
    with pytest.raises(RequestError, match="3 keys are there; expected at most 3"):
        add_key(file, "x", ("read",))


def test_a_folder_that_cannot_be_written(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(28, "No space left on device")

    before = Path(ring["file"]).read_text()
    monkeypatch.setattr("crossaisle.serve.keys.os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        add_key(Path(ring["file"]), "x", ("read",))
    assert Path(ring["file"]).read_text() == before
    assert [p.name for p in Path(ring["file"]).parent.iterdir()] == ["keys.json"]


GOOD = {"name": "a", "number": 0, "scopes": ["read"], "sha256": "0" * 64, "created": 1.0}


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"keys": 1}', '{"keys": [1]}']
    + [
        json.dumps({"keys": [{**GOOD, **bad}]})
        for bad in ({"scopes": []}, {"scopes": ["root"]}, {"sha256": "x"}, {"number": MAX_KEYS}, {"more": 1}, {"name": 1})
    ],
)
def test_a_file_that_is_no_file_of_keys(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(TableError, match="is no file of keys"):
        read_keys(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        KeyFile(tmp_path / "keys.json")


def test_other_machines_only_with_keys() -> None:
    with pytest.raises(RequestError, match=r"--host 0\.0\.0\.0 can be reached by other machines and there are no keys"):
        check_open("0.0.0.0", None)
    check_open("0.0.0.0", "keys.json")
    check_open("127.0.0.1", None)
    check_open("::1", None)


def test_an_address_that_cannot_be_used() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(OutputError, match="cannot listen on 127"):
            listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(OutputError, match="cannot listen on no"):
        listen("no.such.host.invalid", 0)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "keys.json")
    assert run(["keys", "add", file, "--name", "web", "--scopes", "read, write"]) == 0
    out, err = capsys.readouterr()
    secret = out.removesuffix("\n")  # what KEY=$(crossaisle keys add ...) takes
    assert secret.split() == [secret]
    assert "shown this once" in err
    assert KeyFile(Path(file)).find(secret) is not None
    assert run(["keys", "add", file, "--name", "other", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"name", "key"}
    assert run(["keys", "list", file, "--json"]) == 0
    listed = capsys.readouterr().out
    assert [row["scopes"] for row in json.loads(listed)["keys"]] == ["read,write", "read"]
    assert secret not in listed
    assert run(["keys", "list", file]) == 0
    assert "web" in capsys.readouterr().out
    assert run(["keys", "remove", file, "web"]) == 0
    assert run(["keys", "remove", file, "other"]) == 0
    capsys.readouterr()
    assert run(["keys", "list", file]) == 0
    assert capsys.readouterr().out == "no keys\n"
    assert run(["keys", "remove", file, "web"]) == 2
    assert run(["serve", str(tmp_path / "model"), "--host", "0.0.0.0"]) == 2
    assert "there are no keys" in capsys.readouterr().err


def test_the_settings_of_the_service_are_shown_with_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["settings", "serve", "--json", "--set", "serve.rate=7", "--set", "train.epochs=2"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["serve.rate"]["value"] == 7.0
    assert all(row["meaning"] for row in rows.values())
    assert run(["settings", "explore"]) == 0
    assert "explore.share" in capsys.readouterr().out
    assert run(["settings", "--set", "serve.ratee=7"]) == 2
