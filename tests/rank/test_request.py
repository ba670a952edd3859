import numpy as np
import pytest

from crossaisle.errors import RequestError
from crossaisle.rank.request import Request


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, r"k is 0; expected a whole number of at least 1; next: pass -k 10"),
        ({"k": -3}, r"k is -3"),
        ({"k": 2.5}, r"k is 2\.5"),
        ({"k": True}, r"k is True"),
        ({"max_per_category": 0}, r"max-per-category is 0; expected a whole number of at least 1"),
        ({"diversity": 1.1}, r"diversity is 1\.1; expected a number from 0 to 1"),
        ({"diversity": -0.1}, r"diversity is -0\.1"),
        ({"diversity": float("nan")}, r"diversity is nan"),
        ({"max_rejected": 1.5}, r"max-rejected is 1\.5; expected a share from 0 to 1"),
        ({"lang": "fr"}, r"language 'fr'; expected one of en, zh"),
        ({"categories": "Toys"}, r"categories is the text 'Toys'; expected a list of categories"),
    ],
)
def test_values_that_cannot_be_used(options, message):
    with pytest.raises(RequestError, match=message):
        Request(**options)


def test_values_that_can():
    assert Request(k=np.int64(3), diversity=1, max_per_category=1, lang="zh").k == 3
