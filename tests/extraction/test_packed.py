import gzip

import numpy as np
import pytest

from augmentor.errors import DataError
from augmentor.extraction.packed import is_gzip, unpacked, unpacked_size

CONTENT = np.random.default_rng(0).integers(0, 64, 3_000_000).astype(np.uint8).tobytes()


@pytest.fixture(params=["one member", "several members", "padded"])
def packed(request, tmp_path):
    file = tmp_path / "a.gz"
    if request.param == "several members":
        file.write_bytes(b"".join(gzip.compress(CONTENT[n : n + 700_000], 1) for n in range(0, len(CONTENT), 700_000)))
    else:
        file.write_bytes(gzip.compress(CONTENT, 1) + b"\0" * (600 if request.param == "padded" else 0))
    return file


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (352, 2_000_000), (1_048_570, 1_048_580), (0, len(CONTENT))])
def test_a_part_is_what_was_packed(packed, start, stop):
    assert unpacked(packed, start, stop) == CONTENT[start:stop]


def test_the_size_is_told_without_unpacking_or_by_counting(packed):
    assert unpacked_size(packed, len(CONTENT)) == len(CONTENT)
    assert unpacked_size(packed, len(CONTENT) + 5) == len(CONTENT)


def test_a_claim_that_no_file_can_hold_is_not_looked_for(packed):
    assert unpacked_size(packed, 10**15) == packed.stat().st_size * 1032


def test_a_file_that_is_cut_off_is_told(packed):
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.gz: is cut off: 3,000,000 bytes were to be read"):
        unpacked(packed, 0, len(CONTENT))


def test_the_checksum_is_compared_at_the_end(tmp_path):
    file = tmp_path / "a.gz"
    content = bytearray(gzip.compress(CONTENT, 0))  # stored, not packed: any change leaves it readable
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Exception, match="incorrect data check"):
        unpacked(file, 0, len(CONTENT))


def test_gzip_is_known_by_its_mark(packed, tmp_path):
    (tmp_path / "plain").write_bytes(b"x")
    assert is_gzip(packed)
    assert not is_gzip(tmp_path / "plain")


def test_a_size_that_a_cut_file_claims_is_not_believed(tmp_path):
    content = gzip.compress(CONTENT, 1)
    (tmp_path / "a.gz").write_bytes(content[: len(content) // 2] + b"\xff\xff\xff\xff")
    assert unpacked_size(tmp_path / "a.gz", len(CONTENT)) < len(CONTENT)
