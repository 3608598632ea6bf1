import numpy as np
import pytest

from augmentor.model.spectrum import spectrum_features

RNG = np.random.default_rng(0)


def noise(count=8, channels=1, side=64, dims=2, scale=0.2):
    return RNG.normal(0, scale, (count, channels, *[side] * dims)).astype(np.float32)


@pytest.mark.parametrize(("side", "dims", "width"), [(64, 2, 17), (128, 2, 17), (28, 2, 8), (16, 2, 5), (32, 3, 9)])
def test_there_is_a_number_for_each_ring_and_one_for_the_corners(side, dims, width):
    assert spectrum_features(noise(2, 1, side, dims)).shape == (2, width)


@pytest.mark.parametrize("dims", [2, 3])
def test_white_noise_has_the_same_power_in_every_ring(dims):
    rings = np.exp(spectrum_features(noise(64 if dims == 2 else 16, 1, 32, dims))).mean(0)
    assert rings[1:] == pytest.approx(0.04 * np.mean(np.hanning(32) ** 2) ** dims, rel=0.1)  # its variance, windowed


@pytest.mark.parametrize("frequency", [4, 11, 20, 29])
def test_a_wave_is_in_the_ring_of_its_frequency(frequency):
    wave = np.cos(2 * np.pi * frequency * np.arange(64) / 64, dtype=np.float32)
    for image in (np.tile(wave, (64, 1)), np.tile(wave, (64, 1)).T):
        assert spectrum_features(image[None, None]).argmax() == frequency // 2


def test_twice_the_contrast_is_four_times_the_power_and_brightness_is_none():
    images = noise()
    told = spectrum_features(images)
    assert spectrum_features(2 * images) - told == pytest.approx(np.log(4), abs=1e-3)
    assert spectrum_features(images + 0.3) == pytest.approx(told, abs=1e-3)


def test_no_ring_knows_how_an_image_is_turned():
    images = noise()
    for turned in (np.flip(images, 2), np.flip(images, 3), images.swapaxes(2, 3), np.rot90(images, axes=(2, 3))):
        assert spectrum_features(turned) == pytest.approx(spectrum_features(images), abs=1e-3)


def test_an_image_has_the_same_spectrum_alone_and_in_a_batch():
    images = noise(9, 3)
    alone = np.concatenate([spectrum_features(image[None]) for image in images])
    assert spectrum_features(images) == pytest.approx(alone, abs=1e-9)


def test_rounding_to_eight_bits_changes_no_spectrum():
    smooth = noise(4, 1, 8).repeat(8, axis=2).repeat(8, axis=3) * 0 + np.linspace(-0.5, 0.5, 64, dtype=np.float32)
    rounded = np.round((smooth + 1) * 127.5) / 127.5 - 1
    assert spectrum_features(rounded) == pytest.approx(spectrum_features(smooth), abs=1.0)


def test_a_flat_image_has_no_power_and_no_infinite_logarithm():
    told = spectrum_features(np.full((1, 1, 16, 16), 0.7, np.float32))
    assert np.isfinite(told).all()
    assert (told < -13).all()
