"""Settings of tuning."""

from __future__ import annotations

import pytest

from crossaisle.errors import SettingError
from crossaisle.tune.settings import TuneSettings


def test_off_unless_asked_for() -> None:
    assert not TuneSettings().active
    assert TuneSettings(form="last-n").active


def test_unknown_form() -> None:
    with pytest.raises(SettingError, match="setting form is 'half'; expected one of frozen, last-n, lora, full"):
        TuneSettings(form="half")
