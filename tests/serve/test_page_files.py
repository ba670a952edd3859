"""The files of the page, without a browser: nothing that the content security policy would stop, nothing from elsewhere, nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path

from crossaisle.serve import pages

FOLDER = Path(pages.__file__).parent
OWN = sorted([*FOLDER.glob("js/*.js"), *FOLDER.glob("css/*.css"), FOLDER / "index.html"])
NAMESPACE = "http://www.w3.org/2000/svg"


def test_nothing_stands_inside_the_html() -> None:
    html = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", html) == []
    for name in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert (FOLDER / name.removeprefix("pages/")).is_file(), name


def test_nothing_comes_from_elsewhere() -> None:
    for path in [*OWN, *FOLDER.glob("vendor/*.mjs"), FOLDER / "icon.svg"]:
        said = re.findall(r"https?://[^\s\"'`<)]+", path.read_text(encoding="utf-8"))
        assert [url for url in said if not url.startswith("http://www.w3.org/")] == [], path.name


def test_what_a_shop_says_is_never_read_as_html_or_code() -> None:
    for path in OWN:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(|new Function", path.read_text(encoding="utf-8")
        )
        assert found == [], path.name


def test_every_module_that_is_imported_is_there() -> None:
    for path in [*FOLDER.glob("js/*.js"), *FOLDER.glob("vendor/*.mjs")]:
        for name in re.findall(r'from ?"([^"]+)"', path.read_text(encoding="utf-8")):
            assert name.startswith("."), f"{path.name} imports {name}: a browser needs a relative name"
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


def test_the_libraries_have_their_licences() -> None:
    told = (FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("vendor/*.mjs"):
        assert f"`{path.name}`" in told
    for licence in re.findall(r"`(LICENSE-\w+\.txt)`", told):
        assert (FOLDER / "vendor" / licence).stat().st_size > 500
    assert "sourceMappingURL" not in "".join(p.read_text(encoding="utf-8") for p in FOLDER.glob("vendor/*.mjs"))


def test_it_is_light() -> None:
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.suffix in {".js", ".mjs", ".css", ".html", ".svg"}) < 150_000
