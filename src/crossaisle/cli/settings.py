"""``crossaisle settings``: every setting, its value and meaning. Imports: options, show."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.show import print_json, print_table
from crossaisle.errors import SettingError

__all__ = ["settings"]


def settings(
    section: Annotated[str | None, typer.Argument(metavar="[SECTION]", help="Only this section, such as train.")] = None,
    preset: options.Preset = "balanced",
    assignments: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Show every setting and its meaning.

    These are what --set section.key=value can change: of a fit, and (serve, live, online, abnormal, explore, records) of a service.
    """
    from crossaisle.presets import preset_settings
    from crossaisle.serve.settings import ServiceSettings

    changes = options.parse_settings(assignments)
    service = {f.name for f in dataclasses.fields(ServiceSettings)}
    of_service = {key: value for key, value in changes.items() if key.partition(".")[0] in service}
    of_model = {key: value for key, value in changes.items() if key not in of_service}
    rows = [
        {"setting": name, "value": value, "default": default, "meaning": meaning}
        for part in (preset_settings(preset, of_model), ServiceSettings().changed(of_service))
        for name, value, meaning, default in part.walk()
    ]
    if section is not None:
        known = sorted({r["setting"].partition(".")[0] for r in rows})
        rows = [r for r in rows if r["setting"].partition(".")[0] == section]
        if not rows:
            near = difflib.get_close_matches(section, known, n=1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise SettingError(f"unknown section {section!r}", f"one of {', '.join(known)}{hint}", "see: crossaisle settings")
    if as_json:
        print_json(rows)
    else:
        print_table([{**r, "value": _shown(r["value"]), "default": _shown(r["default"])} for r in rows])


def _shown(value: object) -> str:
    """As ``--set`` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
