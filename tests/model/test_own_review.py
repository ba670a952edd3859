"""What a person wrote, added to the token of a history."""

import numpy as np
import torch

from crossaisle.model.own_review import OwnReview
from crossaisle.model.settings import ModelSettings
from crossaisle.model.user_encoder import UserEncoder

SETTINGS = ModelSettings(dim=8, heads=2, text_dim=4, blocks=1, window=4, dropout=0.0, input_dropout=0.0)
VECTORS = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def own(learned: bool = True) -> OwnReview:
    module = OwnReview(SETTINGS, 6)
    module.fit(VECTORS.numpy(), np.array([1, 5, np.nan, 3], np.float32))
    if learned:
        torch.nn.init.normal_(module.project.weight)
        torch.nn.init.normal_(module.liked)
    return module


def test_it_begins_as_the_model_without_reviews():
    rows, ratings = torch.tensor([[0, -1]]), torch.tensor([[5.0, float("nan")]])
    assert not own(learned=False)(rows, ratings, VECTORS).any()


def test_text_and_rating_each_add_and_absence_adds_nothing():
    nothing = float("nan")
    rows, ratings = torch.tensor([[0, 0, -1, -1]]), torch.tensor([[5.0, nothing, 5.0, nothing]])
    both, text, rating, none = own()(rows, ratings, VECTORS)[0]
    assert not none.any()
    assert text.any()
    assert rating.any()
    torch.testing.assert_close(both, text + rating)
    only_ratings = own()(torch.tensor([[-1]]), torch.tensor([[5.0]]), torch.zeros(0, 6))
    assert only_ratings.any()


def test_ratings_are_standardised():
    module = own()
    assert (float(module.centre), round(float(module.spread), 4)) == (3.0, 1.633)
    assert not module(torch.tensor([[-1]]), torch.tensor([[3.0]]), VECTORS).any()
    alike = OwnReview(SETTINGS, 6)
    alike.fit(np.zeros((0, 6), np.float32), np.array([5, 5], np.float32))
    assert torch.isfinite(alike(torch.tensor([[-1]]), torch.tensor([[1.0]]), VECTORS)).all()


def test_only_later_states_see_it():
    encoder = UserEncoder(SETTINGS, 1, False, False, review_width=6).eval()
    x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(1))
    segment, place, event = torch.zeros(1, 3, dtype=torch.long), torch.arange(3)[None], torch.zeros(1, 3, dtype=torch.long)
    one, gap = torch.ones(1, 3), torch.zeros(1, 3)
    wrote = torch.zeros(1, 3, 8)
    wrote[0, 1] = torch.arange(8.0)
    with torch.no_grad():
        plain, told = encoder(x, segment, place, event, one, gap), encoder(x, segment, place, event, one, gap, wrote)
    assert torch.equal(plain[0, 0], told[0, 0])
    assert not torch.equal(plain[0, 1], told[0, 1])
    assert not torch.equal(plain[0, 2], told[0, 2])
