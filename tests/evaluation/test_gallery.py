import numpy as np
import torch
from PIL import Image

from augmentor.evaluation.gallery import STEPS, interpolate, save_mosaic
from augmentor.lettering import unframed
from augmentor.sampling import latents_of, seed_of
from tests.expansion.fake import FakeGenerator


def test_interpolations_begin_and_end_at_latents_of_their_own_and_move_in_small_steps():
    generator = FakeGenerator()
    rows = interpolate(generator, 2, 1)
    assert [len(row) for row in rows] == [STEPS] * 2
    ends = latents_of([seed_of(3_000, 1, i) for i in range(2)], generator.latent_dim)
    expected = generator(ends, torch.ones(2, dtype=torch.int64))[0].numpy()
    assert np.abs(rows[1][0] - expected[0]).max() < 1e-4
    assert np.abs(rows[1][-1] - expected[1]).max() < 1e-4
    steps = [np.abs(a - b).mean() for a, b in zip(rows[1], rows[1][1:], strict=False)]
    assert max(steps) < 0.5 * np.abs(expected[0] - expected[1]).mean()


def test_a_mosaic_holds_each_lesion_at_its_own_size_beside_the_names_of_rows_and_columns(tmp_path):
    grey = np.linspace(-1, 1, 16 * 16, dtype=np.float32).reshape(1, 16, 16)
    save_mosaic([[grey, -grey], [grey, grey]], tmp_path / "m.png", ("synthetic", "real"), ("0.41", "1.02"))
    picture = unframed(tmp_path / "m.png")
    assert picture.shape == (32, 32)
    assert np.abs(picture[:16, :16].astype(int) - (grey[0] + 1) * 127.5).max() <= 0.5
    assert Image.open(tmp_path / "m.png").width > 32 + 32
    assert Image.open(tmp_path / "m.png").height > 32
    save_mosaic([[np.repeat(grey, 3, 0)]], tmp_path / "c.png", ["cyst"])
    assert unframed(tmp_path / "c.png").shape == (16, 16, 3)
