"""The transfer scoreboard: does an aisle gain or lose by training with the others? Imports: arms, report, results, trial.

`transfer` measures, `write_transfer` writes the pages.
"""

from crossaisle.evaluate.transfer.arms import GRID
from crossaisle.evaluate.transfer.report import write_transfer
from crossaisle.evaluate.transfer.results import TransferResults
from crossaisle.evaluate.transfer.trial import transfer

__all__ = ["GRID", "TransferResults", "transfer", "write_transfer"]
