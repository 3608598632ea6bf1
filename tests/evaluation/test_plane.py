import numpy as np

from augmentor.evaluation.plane import first_of_each, plane_of


def test_lesions_that_look_alike_lie_together():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (30, 5)), rng.normal(9, 1, (30, 5))])
    labels, origins = np.repeat(["a", "b"], 30), np.tile(["train", "synthetic"], 30)
    plane = plane_of(features, labels, origins)
    assert list(plane) == ["x", "y", "label", "origin"]
    means, spread = plane.groupby("label")[["x", "y"]].mean(), plane.groupby("label")[["x", "y"]].std().mean().mean()
    assert np.linalg.norm(means.loc["a"] - means.loc["b"]) > spread
    assert plane_of(features[:9], labels[:9], origins[:9]) is None


def test_so_many_of_each_class_are_shown():
    assert first_of_each(np.array(["a", "b", "a", "a", "b"]), 2).tolist() == [0, 1, 2, 4]
