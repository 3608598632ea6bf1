"""A lesion in a scan."""

import numpy as np
import pytest

from augmentor.data.grids import Grid
from augmentor.data.placing import Placed
from augmentor.extraction.regions import regions_of
from tests.scan_sets import CT_AFFINE, ball

SHAPE = (40, 36, 12)
GRID = Grid(SHAPE, CT_AFFINE)
CENTRE = np.array([20.0, 17.0, 6.0])


@pytest.fixture
def region():
    (found,) = regions_of(Placed(ball(SHAPE, CENTRE, 7.0).astype(np.uint8), np.zeros(3, int)))
    return found
