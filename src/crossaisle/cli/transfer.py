"""``crossaisle evaluate --transfer``: does an aisle gain or lose by training with the others? Imports: output, progress, reading, show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

__all__ = ["run_transfer"]


def run_transfer(
    interactions: str,
    items: str | None,
    out: str,
    *,
    pairs: bool,
    seeds: int,
    shuffle_ties: bool,
    preset: str,
    chosen: Mapping[str, str],
    device: str,
    columns: Mapping[str, str] | None,
    encoding: str | None,
    lang: str,
    as_json: bool,
    unused: Mapping[str, bool],
) -> None:
    """Measure, write the pages into ``out``, print the table of aisles.

    A setting of the grid that is given in ``chosen`` is taken as given instead of being chosen.

    Raises
    ------
    RequestError
        If an option of protocols is given (one that is true in ``unused``), or the trial cannot be run.
    """
    for option, given in unused.items():
        if given:
            raise RequestError(f"{option} does not go with --transfer", "one of the two", f"leave {option} out")
    check_writable(out, folder=True)
    from crossaisle.data.report import notices
    from crossaisle.evaluate.report.words import Words
    from crossaisle.evaluate.transfer import GRID, transfer, write_transfer
    from crossaisle.evaluate.transfer.content import headline, notes, percent
    from crossaisle.evaluate.transfer.wording import TEXTS
    from crossaisle.presets import preset_settings

    settings, words = preset_settings(preset, chosen, device=device), Words(lang, TEXTS)
    with tables_read(Path(out) / "rejected.jsonl", (interactions, items, None), settings.data, columns, encoding) as data:
        with progress_bar(quiet=as_json) as progress:
            results = transfer(
                data,
                settings=settings,
                seeds=seeds,
                pairs=pairs,
                grid={key: values for key, values in GRID.items() if key not in chosen},
                shuffle_ties=shuffle_ties,
                data_name="/".join(Path(interactions).parts[-2:]),
                progress=progress,
            )
        page = write_transfer(results, Path(out), lang)
    if as_json:
        figures = [dataclasses.asdict(row) for row in results.aisles]
        said = [*notes(results, words), *notices(data.report, lang)]
        print_json({"report": str(page), "headline": headline(results, words), "aisles": figures, "notes": said})
        return
    rows = [
        {
            words("col-aisle"): r.aisle,
            words("col-questions"): r.n_test,
            words("t-col-alone"): r.test.before,
            words("t-col-together"): r.test.after,
            words("t-col-change"): percent(r.test.change, words),
            words("col-interval"): words("span", low=percent(r.test.low, words), high=percent(r.test.high, words)),
            words("t-col-outcome"): words(f"t-{r.test.outcome}"),
            words("t-col-gate"): words(f"t-{r.gate}"),
            words("t-col-gated"): r.gated,
        }
        for r in results.aisles
    ]
    print_table(rows, title=headline(results, words))
    print_notes([*notes(results, words), *notices(data.report, lang)])
    print(f"report: {page}")
