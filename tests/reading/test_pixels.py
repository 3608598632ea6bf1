import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from augmentor.data.intensity import Intensity
from augmentor.reading.pixels import FileLesion, Treatment, find_treatment, read_lesion, stored_like, unit_step
from tests.reading.properties import equal_channels, file_properties, hits

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


def shown(paths, drawn=None):
    """Both kinds as a page shows them. drawn: the synthetic ones, (N, C, S, S) in [-1, 1]."""
    drawn = network(pictures(EACH, 2)) if drawn is None else drawn
    unit = unit_step(EIGHT_BIT, drawn.shape[1])
    real = [read_lesion(path, SIZE, EIGHT_BIT) for path in paths]
    synthetic = [stored_like(x, file, unit) for x, file in zip(drawn, real, strict=True)]
    images = [file.image for file in real] + synthetic
    treatment = find_treatment(images, EIGHT_BIT)
    return [treatment.apply(image) for image in images], treatment.levels


def untreated(paths, drawn=None):
    drawn = network(pictures(EACH, 2)) if drawn is None else drawn
    images = [read_lesion(path, SIZE, EIGHT_BIT).image for path in paths] + list(drawn)
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


def in_colour(image):
    return np.repeat(np.rint(image)[..., None], 3, axis=2)


def in_colour_jpeg(image):
    return jpeg(in_colour(image), 60)


def with_marks(image):
    """Orange callipers on grey."""
    made = in_colour(image)
    made[5:8, 5:15] = 255, 160, 0
    return made


def stretched_with_marks(image):
    return with_marks(stretched(image))


def surrounded(image, around=0.0):
    """Black, or what is `around`, beyond a circle."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.where(np.hypot(rows, columns) < 0.47 * SIZE, np.clip(image, 8, 255), around)


def surrounded_in_colour(image):
    return in_colour(surrounded(image))


def noisy_around(image):
    """Of the noise about a floor, what is below it is cut off."""
    noise = np.random.default_rng(int(image.sum())).normal(0, 3, image.shape)
    return np.rint(surrounded(image, np.clip(noise, 0, None)))


def tinted(count=EACH):
    """As a network draws grey pictures in colour: its channels differ by a level or so. (N, 3, S, S)."""
    tint = gaussian_filter(np.random.default_rng(3).normal(size=(count, 3, SIZE, SIZE)), (0, 0, 2, 2)) * 8
    return (np.clip(pictures(count, 2)[:, None] + tint, 0, 255) / 255 * 2 - 1).astype(np.float32)


def residue(count=EACH, channels=1):
    """As a network draws a black surround: up to a few levels, other ones in each channel. (N, C, S, S)."""
    near = np.abs(np.random.default_rng(4).normal(0, 1, (count, channels, SIZE, SIZE)))
    made = [surrounded(inside, around) for inside, around in zip(pictures(count, 2), near, strict=True)]
    return (np.stack(made) / 255 * 2 - 1).astype(np.float32)


@pytest.mark.parametrize(
    ("how", "drawn"),
    [
        (in_colour, tinted()),
        (in_colour_jpeg, tinted()),
        (surrounded, residue()),
        (surrounded_in_colour, residue(channels=3)),
    ],
)
def test_channels_and_background_do_not_tell_the_kinds_apart(tmp_path, how, drawn):
    paths = write(tmp_path / "real", how)
    for made, told_apart in ((untreated, True), (shown, False)):
        pixels, levels = made(paths, drawn)
        found = hits([file_properties(x, levels) for x in pixels], SYNTHETIC)
        assert (found > BEYOND_CHANCE) == told_apart, f"{found} of {2 * EACH} right"


@pytest.mark.parametrize("how", [in_colour, in_colour_jpeg, surrounded_in_colour])
def test_synthetic_lesions_of_grey_pictures_in_colour_have_equal_channels(tmp_path, how):
    pixels, _ = shown(write(tmp_path / "real", how), tinted())
    assert {equal_channels(x) for x in pixels} == {1.0}


@pytest.mark.parametrize("how", [with_marks, stretched_with_marks])
def test_beside_coloured_marks_as_many_pixels_are_grey_as_of_the_real_picture(tmp_path, how):
    pixels, _ = shown(write(tmp_path / "real", how), tinted())
    for real, synthetic in zip(pixels[:EACH], pixels[EACH:], strict=True):
        assert equal_channels(real) < 1
        assert equal_channels(real) <= equal_channels(synthetic) + 1e-9


def test_the_coloured_marks_that_a_network_draws_stay():
    real, drawn = (np.moveaxis(with_marks(x), -1, 0) / 255 * 2 - 1 for x in pictures(2, 1))
    drawn = (drawn + np.random.default_rng(0).normal(0, 0.01, drawn.shape)).clip(-1, 1).astype(np.float32)
    made = stored_like(drawn, FileLesion(real.astype(np.float32), (0, 0), None), unit_step(EIGHT_BIT, 3))
    assert np.abs(made - drawn).max() < 0.05
    assert np.ptp(made[:, 5:8, 5:15], axis=0).min() > 1


def test_colour_that_is_no_tint_is_not_touched():
    """Of real pictures in colour, half of the pixels or fewer are grey."""
    real, drawn = np.random.default_rng(0).uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    real[:, : SIZE // 2] = real[:1, : SIZE // 2]
    assert (stored_like(drawn, FileLesion(real, (0, 0), None), unit_step(EIGHT_BIT, 3)) == drawn).all()


def on_floor(drawn, real):
    return stored_like(drawn, FileLesion(real, (0, 0), None), unit_step(EIGHT_BIT, len(real)))


def raised(image, floor):
    """The same in [floor, 1]."""
    return (floor + (image + 1) / 2 * (1 - floor)).astype(np.float32)


@pytest.mark.parametrize("floor", [-1.0, -0.6])
@pytest.mark.parametrize(("dark", "reach"), [(10, 0.04), (40, 0.1)])  # real tissue within 5 % of the floor, or not
def test_a_residue_becomes_the_plateau_that_the_real_background_is(floor, dark, reach):
    real, drawn = (surrounded(np.clip(x, 40, 255)) for x in pictures(2, 1))
    real[15:25, 10:30] = dark
    real, drawn = raised(network(real[None])[0], floor), raised(network(drawn[None])[0], floor)
    outside = drawn == floor
    left = np.abs(np.random.default_rng(4).normal(0, reach / 5, drawn.shape)).clip(0, 0.95 * reach)
    drawn[outside] += left[outside].astype(np.float32)
    drawn[:, 0, 0] = floor + 1.05 * reach
    made = on_floor(drawn, real)
    assert (made == floor).mean() > 0.9 * outside.mean()
    assert (made[drawn > floor + reach] == drawn[drawn > floor + reach]).all()
    assert np.abs(made - drawn).max() <= reach


def test_noise_above_the_floor_stays_in_the_share_that_the_real_background_has(tmp_path):
    """Half of the noise is cut off at the floor, the rest lies a few levels above it."""
    pixels, _ = shown(write(tmp_path / "real", noisy_around), residue())
    near = [x[x < 6] for x in pixels]
    share = [float((x == 0).mean()) for x in near]
    assert np.mean(share[EACH:]) == pytest.approx(np.mean(share[:EACH]), abs=0.15)


def test_a_picture_without_a_plateau_leaves_the_synthetic_one_as_it_is():
    drawn = residue(1)[0]
    bright = network(np.clip(pictures(1, 1), 10, 250))[0]
    few = bright.copy()
    few.flat[: int(bright.size * 0.019)] = -1
    for real in (bright + np.linspace(0, 0.01, SIZE, dtype=np.float32), few):
        assert float((real == real.min()).mean()) < 0.02
        assert (on_floor(drawn, real) == drawn).all()


def test_a_synthetic_lesion_with_nothing_near_the_plateau_keeps_its_pixels():
    drawn = network(np.clip(pictures(1, 2), 14, 255))[0]
    assert (on_floor(drawn, network(np.array([surrounded(x) for x in pictures(1, 1)]))[0]) == drawn).all()


def test_dark_tissue_beside_a_plateau_is_flattened_no_more_than_it_is_in_the_real_picture():
    """A quarter of the real picture is padding; as much of it lies evenly over the next grey levels."""
    rows = np.repeat(np.arange(SIZE)[:, None], SIZE, axis=1) / SIZE
    grain = np.random.default_rng(6).uniform(1, 5, (SIZE, SIZE))
    real = np.where(rows < 0.25, 0, np.where(rows < 0.5, np.rint(grain), 120 + rows))
    drawn = np.where(rows < 0.25, grain / 6, np.where(rows < 0.5, grain[::-1], 120 + rows))
    made = on_floor(network(drawn[None])[0], network(real[None])[0])
    assert (made[0][rows < 0.25] == -1).mean() > 0.9
    assert (made[0][(rows >= 0.25) & (rows < 0.5)] == -1).mean() < 0.1
