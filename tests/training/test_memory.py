"""Peak memory of whole processes: training at 64x64 takes under 2 GiB; neither it nor expanding grows with length."""

import subprocess
import sys

import pytest

from tests.lesion_sets import draw_phantom

pytestmark = pytest.mark.slow
GIB = 2**20  # KiB, in which Linux counts

# VmHWM is this program's own peak; ru_maxrss would begin with that of the process that started it.
PEAK = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
FIT = """
import sys
from pathlib import Path
from augmentor import fit, read_lesions
from augmentor.recipe import Recipe
recipe = Recipe().with_options(training={"kimg": float(sys.argv[2]), "snapshots": 1, "device": "cpu"})
fit(read_lesions(sys.argv[1]), recipe, Path(sys.argv[3]), latest=False)
"""
EXPAND = """
import sys
from pathlib import Path
from augmentor import expand
from augmentor.recipe import ExpandSection
from augmentor.training.run import open_run
section = ExpandSection(factor=float(sys.argv[2]), screen="off", format="png")
expand(open_run(Path(sys.argv[1])), out=Path(sys.argv[3]), section=section)
"""


def peak(script, *arguments) -> int:
    done = subprocess.run(
        [sys.executable, "-c", script + PEAK, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def short(made_once):
    """A short run's folder, its peak, and the table of its lesions."""

    def fit_shortly(out):
        lesions = draw_phantom(out / "lesions", patients=18, per_class=60, size=64)
        (out / "peak").write_text(str(peak(FIT, lesions, 0.128, out / "run")))

    folder = made_once("short", fit_shortly)
    return folder / "run", int((folder / "peak").read_text()), folder / "lesions" / "lesions.csv"


def test_training_takes_under_two_gib_whatever_its_length(short, tmp_path):
    longer = peak(FIT, short[2], 0.64, tmp_path / "run")
    assert longer < 2 * GIB
    assert longer < 1.1 * short[1]


def test_expanding_streams(short, tmp_path):
    # Few are enough that each thread has had its part: what the allocator keeps of it varies by 30 MB.
    few, many = (peak(EXPAND, short[0], factor, tmp_path / f"x{factor}") for factor in (4, 44))
    assert many < 2 * GIB
    # Eleven times as many lesions, 95 MB of the further ones as float32: the table grows by their rows alone.
    assert many < few + 50 * 1024
