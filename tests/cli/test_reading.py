"""What `read make` says."""

import shlex
from types import SimpleNamespace


def test_the_command_that_comes_next_can_be_copied(augmentor, tmp_path, monkeypatch):
    monkeypatch.setattr("augmentor.training.run.open_run", lambda _: None)
    monkeypatch.setattr("augmentor.reading.kit.make_reading", lambda *_: SimpleNamespace(orders={"anna": [0]}))
    outcome = augmentor("read", "make", "--readers", "anna", "--out", tmp_path / "Meine Läsionen")
    following = shlex.split(outcome.out.partition("then: ")[2])
    assert following == ["augmentor", "read", "score", str(tmp_path / "Meine Läsionen")]
