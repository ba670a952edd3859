"""CrossAisle: cross-category recommendation with pretrained language models."""

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

__version__ = "0.1.0"

__all__ = ["Dataset", "Histories", "__version__"]
