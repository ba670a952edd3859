"""The README's chapter on the service, followed word for word on another port: every line of the shell, and the client."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossaisle.cli.main import run
from small_shop import write_shop

ROOT = Path(__file__).resolve().parents[2]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}


def blocks(language: str, kind: str) -> list[str]:
    text = READMES[language].read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_both_languages_say_the_same() -> None:
    assert blocks("en", "bash") == blocks("zh", "bash")
    assert blocks("en", "py") == blocks("zh", "py")


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The chapter's first line, running."""
    monkeypatch.chdir(write_shop(tmp_path))
    fit = "fit --interactions interactions.csv --items items.csv --out shop.model --preset quick"
    assert run([*fit.split(), "--set", "train.epochs=1"]) == 0
    first, _ = blocks("en", "bash")
    assert first == "crossaisle serve shop.model\n"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    service = subprocess.Popen([sys.executable, "-m", *first.split(), "--port", str(number)])
    try:
        for _ in range(600):
            time.sleep(0.1)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{number}/api/v1/health/ready").close()
                break
            except OSError:
                assert service.poll() is None
        else:
            raise AssertionError("not ready within a minute")
        yield number
    finally:
        service.terminate()
        assert service.wait(60) == 0


def test_every_line_does_what_is_said(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    _, lines = blocks("en", "bash")
    said = {}
    for line in lines.splitlines():
        command = re.sub(r"\b8000\b", str(port), line).replace("curl -s ", "curl -sS --fail-with-body ")
        command = re.sub(r"^crossaisle ", f"{sys.executable} -m crossaisle ", command)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said[line.split("8000")[-1].split("'")[0].split()[0] if "8000" in line else line] = done.stdout
    assert '"reason":"' in said["/api/v1/recommend/u1?n=3&explain=true"]
    assert '"accepted":1' in said["/api/v1/events"]
    assert '"user_id":"u1"' in said["/api/v1/recommend"]
    assert '"item_id":"b1"' not in said["/api/v1/recommend"], "it was hidden two lines before"
    assert '"accepted":1' in said["/api/v1/items"]
    assert said["/api/v1/similar/new9?n=3"].count('"item_id"') == 4
    assert "crossaisle_requests_total" in said["/metrics"]
    assert "refit" in said["crossaisle refit shop.model"]
    (code,) = blocks("en", "py")
    capfd.readouterr()
    exec(code.replace("8000", str(port)), {})
    shown = capfd.readouterr().out
    assert shown.count("thing no") == 3, shown
    assert "things no 1" not in shown
