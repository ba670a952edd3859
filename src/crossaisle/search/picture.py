"""A search as a picture: what each trial reached, and which settings mattered. Imports nothing of its own room."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

__all__ = ["draw"]

_INK, _MUTED, _BEST, _DOT, _PRUNED = "#1d1f21", "#555555", "#c2571a", "#2563a8", "#9aa3ad"


def draw(result: Mapping[str, Any]) -> bytes:
    """A PNG: on the left every trial and the best so far, on the right how much each setting explains.

    Parameters
    ----------
    result : mapping
        As ``result.json`` holds it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": ["DejaVu Sans"], "text.parse_math": False}):
        figure = Figure(figsize=(13, 5), dpi=110, facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for axes in (left, right):
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            axes.tick_params(labelcolor=_MUTED)
        _history(left, result)
        _importance(right, result["importance"])
        figure.tight_layout()
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _history(axes: Any, result: Mapping[str, Any]) -> None:
    done = [(t["number"], t["value"]) for t in result["trials"] if t["state"] == "finished"]
    cut = [(t["number"], t["best"]) for t in result["trials"] if t["state"] == "pruned" and t["best"] is not None]
    steps = [(number, max(v for n, v in done if n <= number)) for number, _ in done]
    axes.plot(*zip(*done, strict=True), "o", color=_DOT, markersize=6, label="finished")
    if cut:
        axes.plot(*zip(*cut, strict=True), "x", color=_PRUNED, markersize=6, label="ended early")
    axes.step(*zip(*steps, strict=True), where="post", color=_BEST, linewidth=1.6, label="best so far")
    if result["defaults"]["validation"] is not None:
        axes.axhline(result["defaults"]["validation"], color=_INK, linewidth=1, linestyle=":", label="where it started")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trial", color=_MUTED)
    axes.set_ylabel("validation N@10", color=_MUTED)
    axes.set_title(f"{len(done)} trials finished, {len(cut)} ended early", loc="left", color=_INK)
    axes.legend(frameon=False, labelcolor=_INK, loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=4)  # below, where no trial lies


def _importance(axes: Any, shares: Mapping[str, float]) -> None:
    axes.set_title("What the differences hang on", loc="left", color=_INK)
    if not shares:
        axes.set_axis_off()
        axes.text(0, 0.9, "too few trials to tell", transform=axes.transAxes, color=_MUTED)
        return
    rows = sorted(shares.items(), key=lambda row: row[1])
    axes.barh([name for name, _ in rows], [share for _, share in rows], color=_DOT, height=0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share explained (fANOVA)", color=_MUTED)
