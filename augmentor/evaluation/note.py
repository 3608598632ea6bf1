"""What the file of a synthetic lesion says of itself."""

from augmentor.version import VERSION


def note_of(checkpoint: str, seed: int) -> str:
    """checkpoint: its hash. The same lesion has the same note, whoever writes it."""
    return f"SYNTHETIC lesion by augmentor {VERSION}, checkpoint {checkpoint}, seed {seed}"
