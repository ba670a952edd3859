"""What the tests of the model in service share: an empty store."""

import pytest

from crossaisle.records import Records


@pytest.fixture
def records(tmp_path):
    found = Records.open(f"sqlite:///{tmp_path}/events.db")
    yield found
    found.close()
