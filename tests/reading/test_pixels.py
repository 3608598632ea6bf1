import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from augmentor.data.intensity import Intensity
from augmentor.reading.pixels import FileLesion, Treatment, find_treatment, read_lesion, stored_like, unit_step
from tests.reading.properties import file_properties, hits

EIGHT_BIT = Intensity(0, 255, "uint8")
SIZE, EACH = 40, 60


def pictures(count, seed):
    """Blobs on grain, fractions in 0 to 255: all of one kind, so that only what is done to them tells them apart."""
    rng = np.random.default_rng(seed)
    grain = gaussian_filter(rng.normal(size=(count, SIZE, SIZE)), (0, 1, 1)) * 60
    blob = gaussian_filter(rng.normal(size=(count, SIZE, SIZE)), (0, 6, 6)) * 600
    return np.clip(120 + grain + blob, 0, 255)


def plain(image):
    return np.rint(image)


def stretched(image):
    """Sixty levels, stretched: three of four are missing."""
    return np.rint(np.rint(image / 255 * 60) / 60 * 255)


def blank_border(image):
    framed = np.rint(image)
    framed[:4] = 0
    return framed


def not_square(image):
    return np.rint(image[8:-8])


def jpeg(image, quality=30):
    stream = io.BytesIO()
    Image.fromarray(np.rint(image).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def write(folder, how):
    """Real lesions as files, after what `how` does to them."""
    folder.mkdir()
    paths = []
    for number, image in enumerate(pictures(EACH, 1)):
        made = how(image)
        path = folder / f"{number}{'.jpg' if isinstance(made, bytes) else '.png'}"
        if isinstance(made, bytes):
            path.write_bytes(made)
        else:
            Image.fromarray(made.astype(np.uint8)).save(path)
        paths.append(str(path))
    return paths


def network(images):
    return (images[:, None] / 255 * 2 - 1).astype(np.float32)


def shown(paths):
    """Both kinds as a page shows them."""
    unit = unit_step(EIGHT_BIT, 1)
    real = [read_lesion(path, SIZE, EIGHT_BIT) for path in paths]
    synthetic = [stored_like(x, file, unit) for x, file in zip(network(pictures(EACH, 2)), real, strict=True)]
    images = [file.image for file in real] + synthetic
    treatment = find_treatment(images, EIGHT_BIT)
    return [treatment.apply(image) for image in images], treatment.levels


def untreated(paths):
    images = [read_lesion(path, SIZE, EIGHT_BIT).image for path in paths] + list(network(pictures(EACH, 2)))
    return [np.rint((image + 1) / 2 * 65535).astype(np.uint16) for image in images], 65536


SYNTHETIC = np.repeat([False, True], EACH)
BEYOND_CHANCE = binom.isf(0.01, 2 * EACH, 0.5)


@pytest.mark.parametrize("how", [plain, stretched, blank_border, not_square, jpeg])
def test_what_a_file_betrays_is_made_the_same_for_both_kinds(tmp_path, how):
    paths = write(tmp_path / "real", how)
    for made, told_apart in ((untreated, True), (shown, False)):
        pixels, levels = made(paths)
        found = hits([file_properties(x, levels) for x in pixels], SYNTHETIC)
        assert (found > BEYOND_CHANCE) == told_apart, f"{found} of {2 * EACH} right"


def test_eight_bit_lesions_that_fit_the_grid_keep_their_pixels(tmp_path):
    paths = write(tmp_path / "real", plain)
    pixels, levels = shown(paths)
    stored = np.asarray(Image.open(paths[0]))
    assert levels == 256
    assert (pixels[0][0] == stored[2:-2, 2:-2]).all()


def test_sixteen_bit_lesions_keep_their_depth(tmp_path):
    values = np.random.default_rng(0).normal(1000, 200, (SIZE, SIZE)).clip(0, 2000).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    real = read_lesion(str(tmp_path / "a.png"), SIZE, Intensity(0, 2000, "uint16"))
    treatment = find_treatment([real.image], Intensity(0, 2000, "uint16"))
    assert treatment.levels == 2001
    assert (treatment.apply(real.image)[0] == values[2:-2, 2:-2]).all()


def test_twelve_bits_in_sixteen_are_so_in_both_kinds():
    stored = np.random.default_rng(0).integers(0, 4096, (2, 1, SIZE, SIZE)) * 16
    real = FileLesion((stored[0] / 65520 * 2 - 1).astype(np.float32), (0, 0), None)
    unit = unit_step(Intensity(0, 65520, "uint16"), 1)
    made = stored_like(network(pictures(1, 3))[0], real, unit)
    assert (Treatment(65521, 0).apply(made) % 16 == 0).all()


def test_a_synthetic_lesion_keeps_its_content():
    image = network(pictures(1, 3))[0]
    real = FileLesion(network(np.array([stretched(x) for x in pictures(1, 5)]))[0], (0, 0), None)
    made = stored_like(image, real, unit_step(EIGHT_BIT, 1))
    assert np.abs(made - image).max() < 3 / 255 * 2  # half of the widest gap of the stretched levels


def test_marks_of_a_resampled_jpeg_are_not_looked_for(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(pictures(1, 1)[0]))
    assert read_lesion(str(tmp_path / "a.jpg"), SIZE, EIGHT_BIT).marks
    assert read_lesion(str(tmp_path / "a.jpg"), SIZE // 2, EIGHT_BIT).marks is None


def test_colour_goes_through_jpeg_too(tmp_path):
    colour = np.random.default_rng(0).integers(0, 255, (2, SIZE, SIZE, 3), np.uint8)
    Image.fromarray(colour[0]).save(tmp_path / "a.jpg", quality=50)
    real = read_lesion(str(tmp_path / "a.jpg"), SIZE, EIGHT_BIT)
    assert len(real.marks.tables) == 2
    image = (np.moveaxis(colour[1], -1, 0) / 255 * 2 - 1).astype(np.float32)
    made = stored_like(image, real, unit_step(EIGHT_BIT, 3))
    assert made.shape == image.shape
    assert np.abs(made - image).mean() > 0.1  # of noise, a JPEG of quality 50 keeps little


def test_the_way_back_to_the_network_loses_less_than_a_level():
    image = network(pictures(1, 4))[0]
    treatment = Treatment(256, 2)
    assert np.abs(treatment.to_network(treatment.apply(image)) - image[:, 2:-2, 2:-2]).max() <= 1.01 / 255
