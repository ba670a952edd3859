"""Progress for people: a bar on stderr with rate, note (the loss while training) and time left. Imports nothing of its own room.

Only a terminal gets it; in a pipe or a log, stderr stays empty unless something goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crossaisle.contracts import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID

__all__ = ["progress_bar"]


def _columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if not speed else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")

    return [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    ]


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """A `Progress` callback that draws one bar a stage while the block runs.

    Parameters
    ----------
    quiet : bool
        Draw nothing, even on a terminal.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda stage, done, total, note: None
        return
    from rich.progress import Progress as RichProgress

    with RichProgress(*_columns(), console=console, transient=True) as bars:
        yield _Drawn(bars)


class _Drawn:
    def __init__(self, bars: RichProgress) -> None:
        self.bars, self.tasks = bars, dict[str, "TaskID"]()

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=total, note=note)
        self.bars.update(self.tasks[stage], completed=done, total=total, note=note)
