import pytest

from augmentor.data.extras import need
from augmentor.errors import DataError


def test_a_library_that_is_there_is_given():
    assert need("json", "itk", "never told").dumps([1]) == "[1]"


def test_a_library_that_is_not_there_is_told_with_its_extra():
    with pytest.raises(DataError, match=r'NRRD, which is not installed: pip install -c constraints.txt "\.\[itk\]"'):
        need("no_such_library", "itk", "it reads NRRD")
