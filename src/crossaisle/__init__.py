"""CrossAisle: cross-category recommendation with pretrained language models. Imports: data; recommender, only when it is asked for."""

import os
from typing import TYPE_CHECKING, Any

# Read by the OpenMP runtime when torch loads it, so it has to be set before. Its idle threads otherwise spin while they wait for each
# other; where another process wants the same cores, as on two-core machines, training then takes about five times as long. A value that
# the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

if TYPE_CHECKING:
    from crossaisle.recommender import Recommender

__version__ = "0.1.0"

__all__ = ["Dataset", "Histories", "Recommender", "__version__"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to load; whoever only reads tables or asks for help should not wait for it
    if name == "Recommender":
        from crossaisle.recommender import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
