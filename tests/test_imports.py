"""Imports go one direction: a room imports only from rooms above it, a file only from the neighbours that its docstring names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "crossaisle"

# Later rooms import from earlier ones, never the other way round. This list is the one place where the order is written.
ROOMS = [
    "errors",
    "schema",
    "settings",
    "shared",
    "data",
    "contracts",
    "encode",
    "attack",
    "metrics",
    "stats",
    "exposure",
    "graph",
    "tune",
    "model",
    "baselines",
    "train",
    "across",
    "blend",
    "pretrain",
    "rerank",
    "rank",
    "records",
    "learn",
    "store",
    "presets",
    "scorers",
    "whole",
    "recommender",
    "live",
    "forecast",
    "evaluate",
    "search",
    "testing",
    "demo",
    "client",
    "serve",
    "cli",
    "__main__",
]
FRONT_DOOR = {"crossaisle"}
"""``crossaisle/__init__.py`` re-exports from any room; what it takes lazily counts as its own business. Only its bare names
(``__version__``) may be imported from inside."""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def own_imports(path: Path) -> list[tuple[int, str]]:
    """Every import of this package's modules in a file, wherever it stands, as (line, dotted module)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                at = PACKAGE.parent / deeper.replace(".", "/")
                found.append((node.lineno, deeper if at.is_dir() or at.with_suffix(".py").exists() else str(node.module)))
    return [(line, name) for line, name in found if name.split(".")[0] == "crossaisle"]


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def upward(path: Path) -> list[str]:
    place = ROOMS.index(room_of(path))
    out = []
    for line, name in own_imports(path):
        if name in FRONT_DOOR:
            continue
        other = name.split(".")[1]
        if ROOMS.index(other) > place:
            out.append(f"{module_of(path)}:{line} imports {name}, and {other} stands below {room_of(path)}")
    return out


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_room_is_in_the_order(path: Path) -> None:
    assert room_of(path) in ROOMS, f"{room_of(path)} has no place in ROOMS"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_upward_import(path: Path) -> None:
    assert upward(path) == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_file_names_what_it_takes_from_its_own_room(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    if path.name == "__init__.py" and not own_imports(path):
        return
    assert re.search(r"\bImports?\b", docstring), f"{module_of(path)}: the docstring does not say what it imports"
    home = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for line, name in own_imports(path):
        parts = name.split(".")
        if len(parts) > 2 and ".".join(parts[:-1]) == home:
            assert parts[-1] in docstring or "one file" in docstring, (
                f"{module_of(path)}:{line} takes {name} and its docstring does not say so"
            )


def test_no_circle_inside_a_room() -> None:
    below: dict[str, set[str]] = {module_of(p): {name for _, name in top_level_imports(p)} for p in FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"imports go round: {' -> '.join([*trail, name])}"
        if name in done:
            return
        for other in sorted(below.get(name, ())):
            visit(other, (*trail, name))
        done.add(name)

    for name in sorted(below):
        visit(name, ())


def top_level_imports(path: Path) -> list[tuple[int, str]]:
    """Imports that run when the module is loaded; one inside a function may look back inside its own room."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = {node.lineno for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
    return [(line, name) for line, name in own_imports(path) if line in lines and name != module_of(path)]


def test_the_test_sees_an_upward_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "crossaisle"
    (package / "data").mkdir(parents=True)
    (package / "cli").mkdir()
    (package / "cli" / "main.py").write_text("")
    low = package / "data" / "dataset.py"
    low.write_text("def f():\n    from crossaisle.cli import main\n    return main\n")
    monkeypatch.setitem(globals(), "PACKAGE", package)
    assert upward(low) == ["crossaisle.data.dataset:2 imports crossaisle.cli.main, and cli stands below data"]
