"""How long extraction takes beside reading the same files.

`python -m tests.extraction.test_extract_speed 100` measures.
"""

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest

from augmentor.extraction.extract import extract
from augmentor.extraction.sources import read_scans
from augmentor.recipe import ExtractSection
from tests.scan_sets import ball, write_nifti

SHAPE, AFFINE = (256, 256, 24), np.diag([-0.9, -0.9, 5.0, 1.0])


def write_volumes(folder, count):
    """Noise of 12 bits on tissue, int16, packed as scanners' archives are; two lesions each."""
    rng = np.random.default_rng(0)
    for number in range(count):
        mask = ball(SHAPE, rng.uniform((60, 60, 6), (190, 190, 17)), rng.uniform(8, 25), (0.9, 0.9, 5.0))
        mask |= ball(SHAPE, (30, 30, 4), 10.0, (0.9, 0.9, 5.0))
        voxels = (rng.normal(40, 15, SHAPE) + 80 * mask).astype(np.int16)
        write_nifti(folder / f"p{number:03d}_image.nii.gz", voxels, AFFINE)
        write_nifti(folder / f"p{number:03d}_mask.nii.gz", mask.astype(np.uint8), AFFINE)


def clocked(work):
    """(seconds by the clock, seconds of this process): the second does not see what else the machine does."""
    begun = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - begun[0], time.process_time() - begun[1]])


def read_all(folder):
    for file in sorted(folder.glob("*.nii.gz")):
        np.asarray(nibabel.load(file).dataobj)


def extract_all(folder, out, window, workers=1):
    scans, _ = read_scans(folder, patient_pattern="<patient>_<rest>", label="ball")
    extract(scans, out, ExtractSection(window=window), workers=workers)


@pytest.mark.slow
@pytest.mark.parametrize(("window", "most"), [("liver", 1.5), ("percentile", 1.9)])
def test_extraction_takes_little_longer_than_reading(tmp_path, window, most):
    write_volumes(tmp_path / "in", 20)
    read_all(tmp_path / "in")  # what lies on disk is in memory now, for both
    extract_all(tmp_path / "in", tmp_path / "warm", window)
    ratios = []
    for number in range(3):
        reading = clocked(lambda: read_all(tmp_path / "in"))
        taken = clocked(lambda n=number: extract_all(tmp_path / "in", tmp_path / f"out{n}", window))
        ratios.append(taken[1] / reading[1])
    assert min(ratios) < most


@pytest.mark.slow
@pytest.mark.parametrize("window", ["liver", "percentile"])
def test_extraction_holds_one_volume_at_a_time(tmp_path, window):
    write_volumes(tmp_path / "in", 4)
    volume = np.prod(SHAPE) * 2
    extract_once = ExtractSection(window=window)
    scans, _ = read_scans(tmp_path / "in", patient_pattern="<patient>_<rest>", label="ball")
    extract(scans[:1], tmp_path / "warm", extract_once)
    peaks = []
    for count in (1, 4):
        tracemalloc.start()
        extract(scans[:count], tmp_path / f"out{count}", extract_once, workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]  # four scans take no more than one
    assert peaks[1] < 3 * volume  # measured: 1.5 and 2.2


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "in"
        write_volumes(folder, int(sys.argv[1]))
        read_all(folder)
        for number, (window, workers) in enumerate([("liver", 1), ("percentile", 1), ("liver", 2), ("percentile", 2)]):
            reading = clocked(lambda: read_all(folder))
            out = Path(home) / f"out{number}"
            taken = clocked(lambda w=window, o=out, n=workers: extract_all(folder, o, w, n))
            told = f"--window {window} --workers {workers}: reading {reading[0]:.1f} s, extract {taken[0]:.1f} s"
            own = f", {taken[1] / reading[1]:.2f} in processor time" if workers == 1 else ""
            print(f"{told}, ratio {taken[0] / reading[0]:.2f}{own}", flush=True)
