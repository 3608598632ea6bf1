"""A lesion in a scan."""

import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.extraction.regions import regions_of
from tests.scan_sets import CT_AFFINE, ball, write_case

SHAPE = (40, 36, 12)
GRID = Grid(SHAPE, CT_AFFINE)
CENTRE = np.array([20.0, 17.0, 6.0])


@pytest.fixture
def region():
    (found,) = regions_of(Placed(ball(SHAPE, CENTRE, 7.0).astype(np.uint8), np.zeros(3, int)))
    return found


@pytest.fixture
def cases(tmp_path):
    """Two scans with a ball each."""
    write_case(tmp_path / "in", "a")
    write_case(tmp_path / "in", "b", centre=(14, 20, 5), radius_mm=5.0)
    return tmp_path / "in"
