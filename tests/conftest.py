"""What several test rooms share: a small shop's files, a store of the service in each database."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import real_postgres
from small_shop import write_shop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: where several workers share the files, none is left alone with a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with the shop's tables, which is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_shop(tmp_path)


@pytest.fixture(scope="session")
def postgres() -> Iterator[real_postgres.Postgres]:
    """A real PostgreSQL for all tests; whoever stops it starts it again."""
    reason = real_postgres.why_not()
    if reason:
        pytest.skip(reason)
    server = real_postgres.Postgres()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store: each test that takes it runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.db"
    return request.getfixturevalue("postgres").new_store()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder with a disk of 14 MB of its own; not below pytest's own folders, which are root's alone, and PostgreSQL is someone else."""
    folder = Path(tempfile.mkdtemp(prefix="crossaisle-disk-"))
    try:
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m", "none", folder], capture_output=True).returncode:
            pytest.skip("a small disk needs a mount, and that needs root")
        yield folder
        subprocess.run(["umount", "-l", folder], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def web() -> Any:
    """A service with a fake engine, see ``serve/serve_fakes.py``."""
    from serve_fakes import Shop

    return Shop()
