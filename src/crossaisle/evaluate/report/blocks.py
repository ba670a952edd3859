"""The pieces a report is made of. Imports nothing of its own room.

`content` makes them in one language, `markdown` and `html` print them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Block", "Bullets", "Cell", "Details", "Facts", "Figure", "Heading", "Paragraph", "Pre", "Row", "Side", "Table", "Verdict"]


@dataclass(frozen=True)
class Heading:
    """A heading; level 2 opens a section, level 3 a part of it."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text; ``muted`` for an explanation that may be read later."""

    text: str
    muted: bool = False


@dataclass(frozen=True)
class Pre:
    """Text whose lines and columns are kept as they are."""

    text: str


@dataclass(frozen=True)
class Verdict:
    """The sentence that the report exists for.

    Attributes
    ----------
    title : str
        A few words: better, worse, undecided.
    text : str
        The whole sentence with its figures.
    outcome : str
        ``better``, ``worse``, ``unclear`` or ``none``; chooses the colour, which is never the only sign.
    more : tuple of str
        Further sentences.
    """

    title: str
    text: str
    outcome: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Names and values, read as a list of definitions."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cell:
    """One cell: a value, a smaller line below it (an interval), whether it wins its column, and its tone.

    ``tone`` is ``positive`` (green), ``negative`` (red) or ""; the colour is never the only sign.
    """

    text: str
    small: str = ""
    best: bool = False
    tone: str = ""


@dataclass(frozen=True)
class Row:
    """One row; ``kind`` is ``ours``, ``control``, ``baseline`` or "" for rows that are not models."""

    cells: tuple[Cell, ...]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes
    ----------
    caption : str
        What it shows, in one sentence.
    columns : tuple of Cell
        Column heads, the first over the row names.
    rows : tuple of Row
    words : tuple of int
        Columns that hold words, not numbers (besides the first).
    """

    caption: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]
    words: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"a row of {len(row.cells)} cells in a table of {len(self.columns)} columns: {row.cells[:1]}")


@dataclass(frozen=True)
class Figure:
    """A plot as inline SVG.

    Attributes
    ----------
    svg : str
        One ``<svg>`` element.
    caption : str
        What to see in it; also what a screen reader says.
    legend : tuple of (str, str)
        Kind of mark (``ours``, ``best``, ``baseline``, ``control``) and its name.
    """

    svg: str
    caption: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Side:
    """Figures and tables that stand side by side where there is room."""

    blocks: tuple[Figure | Table, ...]


@dataclass(frozen=True)
class Bullets:
    """Sentences, one a line."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away until asked for."""

    summary: str
    blocks: tuple[Block, ...]


Block = Heading | Paragraph | Pre | Verdict | Facts | Table | Side | Bullets | Details
