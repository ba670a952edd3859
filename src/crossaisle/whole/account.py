"""What is said of a fitted model: how good it is, what to know of its fit, its facts. Imports: version."""

from __future__ import annotations

from typing import Any

import numpy as np

import crossaisle
from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.report import notices
from crossaisle.data.split_parts import at_most
from crossaisle.encode.media import media_lines
from crossaisle.rerank.second import SecondLook
from crossaisle.whole.version import WITHOUT_BASKETS, Contents

__all__ = ["facts_of", "notes_of", "quality_of"]

_SAMPLE = 20_000
"""At most so many items are looked at to say how much a sense weighs."""


def quality_of(scorer: BlendScorer, data: Dataset, second: SecondLook | None) -> dict[str, Any]:
    """How well a fitted scorer did on the newest, held-back targets of ``data``, and how it was chosen."""
    run = scorer.selection
    whose = "each history" if scorer.net.newer(data) == 1 else "the newer half of the histories"
    asked = f"the newest item of {whose}, held back"
    best = max(run.scores, default=None)
    measured: dict[str, Any] = {"ndcg@10": best, "what": f"{asked}; the whole catalogue ranked, items already seen left out"}
    if scorer.net.biases is not None:
        measured = {"rmse": None if best is None else -best, "what": f"ratings of {asked}"}
    out: dict[str, Any] = {
        **measured,
        "epoch": run.best_epoch,
        "minutes": round((run.seconds + scorer.net.refitting.seconds) / 60, 2),
        "blend": scorer.choice,
        **({"debias": scorer.net.debias} if scorer.net.debias else {}),
    }
    adaptation = scorer.net.adaptation()
    if adaptation is not None:
        out["what"] += "; only items that the base did not know are asked about"
        out["adaptation"] = adaptation
    if second is not None:
        out["rerank"] = second.report
    return out


def notes_of(scorer: BlendScorer, data: Dataset, second: SecondLook | None, senses: tuple[str, ...]) -> list[str]:
    """What a user should know of a fit on ``data``, line by line.

    Parameters
    ----------
    senses : tuple of str
        The senses that the settings ask for.
    """
    net = scorer.net
    note, adaptation = getattr(net.reader, "note", ""), net.adaptation()
    out = [*([note] if note and "text" in net.senses else []), *media_lines(getattr(net.reader, "found", {})), *notices(data.report)]
    if adaptation is not None:
        out.append(_said_of(adaptation))
        gone = 0 if net.base is None else net.base.missing(data.items[schema.ITEM])
        if gone:
            out.append(f"{gone:,} items of the base are not in these tables: they are left out")
    if second is not None:
        out.append(second.note)
    if net.track is not None:
        out += net.track.notes
    silent = [s for s in senses if s != "id" and s not in net.senses]
    if silent:
        out.append(f"no item has anything for {' and '.join(silent)}: items are known by what remains ({', '.join(net.senses) or 'id'})")
    return out


def facts_of(model: Contents) -> dict[str, Any]:
    """Data, settings, scores, size, seed and versions: plain values, ready for JSON."""
    scorer, catalogue = model.scorer, model.catalogue
    assert scorer.net.network is not None
    reviews, adaptation = scorer.net.senses.get("reviews"), scorer.net.adaptation()
    return {
        "crossaisle": crossaisle.__version__,
        "users": 0 if model.people is None else len(model.people.users),
        "items": catalogue.n_items,
        "categories": len(catalogue.aisles),
        **({"items with reviews": int(reviews.present.sum())} if reviews is not None else {}),
        "parameters": sum(p.numel() for p in scorer.net.network.parameters()),
        **({"adaptation": adaptation} if adaptation is not None else {}),
        "senses": _senses(scorer),
        "reader": getattr(scorer.net.reader, "note", "") or "none",
        "seed": model.settings.seed,
        "quality": model.quality,
        "epochs": {"scores": scorer.selection.scores, "losses": scorer.selection.losses},
        "without": WITHOUT_BASKETS if scorer.lacks_ridge else "",
        "weights": {"in known aisles": scorer.near.to_dict(), "in new aisles": scorer.far.to_dict() if scorer.ridge else None},
        "settings": model.settings.to_dict(),
        "data": model.report,
    }


def _said_of(adaptation: dict[str, Any]) -> str:
    """One line about the aisle that joined last."""
    trunk, new = adaptation["trunk parameters"], adaptation["adapters"][-1]
    share = new["share of the trunk"]
    return (
        f"{new['aisle']} joined a base that stays as it is: an adapter of {new['parameters']:,} parameters, {share:.2%} of the trunk's "
        f"{trunk:,}, and {new['id rows']:,} id rows of items that the base did not know"
    )


def _senses(scorer: BlendScorer) -> dict[str, Any]:
    """How many items have each sense, and its mean weight in the vectors of those that have it, over a sample of a large catalogue."""
    rows, out = at_most(np.arange(len(scorer.counts)), _SAMPLE, 0), {}
    for name, share in scorer.sense_shares(rows).items():
        has = scorer.counts > 0 if name == "id" else scorer.net.senses[name].present
        some = has[rows]
        out[name] = {"items": int(has.sum()), "share": float(share[some].mean()) if some.any() else 0.0}
    return out
