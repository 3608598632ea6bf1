"""Pixels and voxels as DICOM files store them."""

import numpy as np
import pytest


@pytest.fixture
def stored():
    return np.random.default_rng(0).integers(0, 3000, (9, 8, 6)).astype(np.int16)


@pytest.fixture
def pixels():
    """(rows, columns)"""
    return np.random.default_rng(0).integers(0, 4000, (12, 20)).astype(np.uint16)
