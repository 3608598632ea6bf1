"""Gzip files: how much is in them, and a part of it without the rest, in large steps and checked at the end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from augmentor.errors import DataError

# deflate packs 1032 bytes into one at most: a header that claims more is broken, and is not allocated for.
MOST_PACKING = 1032
_GZIP = 31  # zlib's window bits for gzip, whose checksum it then compares
_STEP = 2**20


def is_gzip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def unpacked_size(file: Path, wanted: int) -> int:
    """The bytes in a gzip file, of which `wanted` are looked for.

    Its end says how many they are modulo 2**32. Where that is not `wanted` it is not believed, and they are counted: a
    file of several parts says at its end how long the last one is, and one that is cut off says anything.
    """
    most = file.stat().st_size * MOST_PACKING
    if wanted > most:
        return most
    with file.open("rb") as stream:
        stream.seek(-4, 2)
        said = int.from_bytes(stream.read(4), "little")
    return wanted if said == wanted % 2**32 else sum(map(len, _parts(file)))


def unpacked(file: Path, start: int, stop: int) -> bytearray:
    """The bytes start <= n < stop of what is packed in `file`.

    Raises DataError where the file ends before, and where its checksum says that it is damaged (it stands at the end,
    and is compared if `stop` is the end).
    """
    found, at = bytearray(stop - start), 0
    for part in _parts(file):
        first, last = max(start, at), min(stop, at + len(part))
        if first < last:
            found[first - start : last - start] = memoryview(part)[first - at : last - at]
        at += len(part)
        if at > stop:  # at the very end, the checksum is read as well
            break
    if at < stop:
        raise DataError(f"{file}: is cut off: {stop:,} bytes were to be read, and {at:,} are there. Copy it again.")
    return found


def _parts(file: Path) -> Iterator[bytes]:
    """What is packed, in steps of at most a mebibyte; the members of a file of several follow each other."""
    inflate, packed = zlib.decompressobj(_GZIP), b""
    with file.open("rb") as stream:
        while packed := packed or stream.read(_STEP):
            if inflate.eof:
                packed = packed.lstrip(b"\0")  # padding between members, or at the end
                inflate = zlib.decompressobj(_GZIP) if packed else inflate
                continue
            yield inflate.decompress(packed, _STEP)
            packed = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
