"""Photos and the page's own files: only what lies in the folder, and only what a browser shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serve_fakes import Shop

from crossaisle.errors import OutputError
from crossaisle.serve.app import build_app
from crossaisle.serve.files import MEDIA_KINDS, Folder


@pytest.fixture
def with_media(tmp_path: Path) -> Shop:
    media = tmp_path / "media"
    (media / "deep").mkdir(parents=True)
    (media / "deep" / "a b.jpg").write_bytes(b"photo")
    (media / "notes.txt").write_bytes(b"secret")
    (media / "picture.svg").write_bytes(b"<svg/>")
    (media / ".hidden.jpg").write_bytes(b"secret")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (tmp_path / "media2").mkdir()
    (tmp_path / "media2" / "near.jpg").write_bytes(b"secret")
    (media / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (media / "folder").symlink_to(tmp_path)
    (media / "inside.jpg").symlink_to(media / "deep" / "a b.jpg")
    web = Shop()
    web.media = media
    return web


def test_a_photo(with_media: Shop) -> None:
    answer = with_media.get("/media/deep/a%20b.jpg")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"photo", "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert with_media.get("/media/deep/a%20b.jpg", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert with_media.get("/media/inside.jpg").content == b"photo"


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt",
        "picture.svg",
        ".hidden.jpg",
        "link.jpg",
        "folder/outside.jpg",
        "../outside.jpg",
        "..%2foutside.jpg",
        "%2e%2e/outside.jpg",
        "..%5coutside.jpg",
        "deep/../../outside.jpg",
        "deep/..%2f..%2foutside.jpg",
        "../media2/near.jpg",
        "%2fetc/passwd",
        "/etc/passwd",
        "deep",
        "deep/",
        "",
        "no.jpg",
        "a%00.jpg",
        "x" * 5_000 + ".jpg",
        "deep/a%20b.jpg/more.jpg",
    ],
)
def test_everything_else_is_404(with_media: Shop, path: str) -> None:
    answer = with_media.get(f"http://localhost/media/{path}")
    assert answer.status_code == 404, answer.text
    assert b"secret" not in answer.content
    assert set(answer.json()) == {"error"}


def test_photos_are_only_read(with_media: Shop) -> None:
    assert with_media.ask("POST", "/media/deep/a%20b.jpg").status_code == 405


def test_without_a_folder_there_are_no_photos(web: Shop) -> None:
    assert web.get("/media/a.jpg").status_code == 404


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        Folder(tmp_path / "no", MEDIA_KINDS, 0)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("<h1>web</h1>")
    (tmp_path / "operator.html").write_text("<h1>operator</h1>")
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "secret.py").write_text("1")
    monkeypatch.setattr("serve_fakes.build_app", lambda desk, media: build_app(desk, media, pages=tmp_path))
    web = Shop()

    async def story(client: Any) -> None:
        for path, kind in [
            ("/", "text/html"),
            ("/operator", "text/html"),
            ("/pages/app.js", "text/javascript"),
            ("/pages/index.html", "text/html"),
        ]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].startswith(kind)
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert (await client.get("/pages/secret.py")).status_code == 404
        assert (await client.get("/pages/..%2findex.html")).status_code == 404

    web.run(story)
