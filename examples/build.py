"""Writes ``story.ipynb`` and ``story.zh.ipynb`` from ``story.py``: ``python examples/build.py`` the cells, ``--run`` their results too.

``story.py`` has cells that begin with ``# %% [en]`` and ``# %% [zh]`` (text, one language each) and ``# %%`` (code, the same in both
notebooks but for ``LANG``). Results in a notebook carry the hash of the code they came from; where the code has changed, they are dropped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "story.py"
NOTEBOOKS = {"en": HERE / "story.ipynb", "zh": HERE / "story.zh.ipynb"}
SECONDS = 1200
"""Longest time that one cell may take."""


def cells(source: str, lang: str) -> list[nbformat.NotebookNode]:
    """The cells of one language, in order."""
    parts = re.split(r"^# %%(?: \[(en|zh)\])?\n", source, flags=re.MULTILINE)[1:]
    out = []
    for place, (said, text) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if said == lang:
            plain = re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE)
            # a line break between two Chinese characters would be shown as a space
            made = nbformat.v4.new_markdown_cell(re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", plain))
        elif said is None:
            made = nbformat.v4.new_code_cell(text.strip().replace('LANG = "en"', f'LANG = "{lang}"'))
        else:
            continue
        made["id"] = f"cell-{place:02d}"
        out.append(made)
    return out


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """Of all code of a notebook; what its results came from."""
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode("utf-8")).hexdigest()


def notebook(lang: str) -> nbformat.NotebookNode:
    """A notebook without results."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(
        cells=cells(SOURCE.read_text(encoding="utf-8"), lang), metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )


def execute(made: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel whose working folder is ``folder``; results are put into the notebook.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    NotebookClient(made, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # times of day
    made.metadata["language_info"] = {"name": "python"}
    made.metadata["results_of"] = code_hash(made)
    return made


def with_old_results(made: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """The results that lie in ``path``, where they came from the same code."""
    if not path.is_file():
        return made
    old = nbformat.read(path, as_version=4)
    if old.metadata.get("results_of") == code_hash(made):
        results = [cell for cell in old.cells if cell.cell_type == "code"]
        for cell, before in zip((c for c in made.cells if c.cell_type == "code"), results, strict=True):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
        made.metadata["results_of"] = code_hash(made)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="run the cells and keep their results")
    chosen = parser.parse_args()
    os.environ.pop("CROSSAISLE_STORY", None)
    for lang, path in NOTEBOOKS.items():
        made = notebook(lang)
        made = execute(made, HERE) if chosen.run else with_old_results(made, path)
        nbformat.validate(made)
        nbformat.write(made, path)
        print(path.name)


if __name__ == "__main__":
    main()
