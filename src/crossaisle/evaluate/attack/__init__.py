"""A model under attack: accuracy clean and attacked, and what made-up people gain for an item. Imports: trial, results.

`under_attack` measures, `AttackReport.to_dict` gives the figures.
"""

from crossaisle.evaluate.attack.results import AttackReport
from crossaisle.evaluate.attack.trial import under_attack

__all__ = ["AttackReport", "under_attack"]
