import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from augmentor.training import encoder as encoders
from augmentor.training.encoder import fit_encoder, nt_xent
from tests.expansion.fake import training_lesions

IMAGES, TARGETS, _ = training_lesions()


@pytest.fixture(scope="module")
def encoder():
    return fit_encoder(IMAGES, TARGETS)


@pytest.mark.slow
def test_its_features_tell_the_classes_of_unseen_lesions(encoder):
    others, truth, _ = training_lesions(60, seed=5)
    model = LogisticRegression(max_iter=2000).fit(encoder.features(IMAGES), TARGETS)
    assert model.score(encoder.features(others), truth) > 0.9


@pytest.mark.slow
def test_features_do_not_depend_on_the_batch_and_cannot_be_trained(encoder):
    found = encoder.features(IMAGES)
    assert found.shape == (80, encoders.LENGTH)
    assert encoder.features(IMAGES[70:]) == pytest.approx(found[70:], abs=1e-5)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_one_seed_gives_one_network_and_leaves_the_randomness_of_others_alone(monkeypatch):
    monkeypatch.setattr(encoders, "_STEPS", 3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = (fit_encoder(IMAGES, TARGETS, seed).features(IMAGES[:4]) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert (one == again).all()
    assert not np.allclose(one, other)


def test_nt_xent_is_the_mean_over_views_written_out():
    views = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    unit = F.normalize(views, dim=1)
    losses = []
    for i in range(6):
        scores = torch.exp(unit[i] @ unit.T / 0.2)
        losses.append(-torch.log(scores[(i + 3) % 6] / (scores.sum() - scores[i])))
    assert float(nt_xent(views)) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_views_of_one_lesion_that_are_alike_cost_less():
    views = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    assert nt_xent(torch.cat([views, views])) < nt_xent(torch.cat([views, views.roll(1, 0)]))
