"""A service with the fake engine for every test."""

from __future__ import annotations

import pytest
from serve_fakes import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()
