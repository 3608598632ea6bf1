import numpy as np

from augmentor.evaluation.plane import first_of_each, plane_of


def row_means(images):
    return images.mean((1, 3))


def test_each_origin_shows_its_first_lesions_of_each_class_and_no_others_are_looked_at():
    seen = []

    def kind(labels, first):
        numbers = np.arange(first, first + len(labels))
        return np.tile(numbers[:, None, None, None], (1, 1, 3, 3)), np.array(list(labels))

    def number(images):
        seen.extend(images[:, 0, 0, 0].astype(int))
        return images[:, 0, :, 0]

    kinds = {"train": kind("aabba", 100), "test": kind("bb", 200), "synthetic": kind("abababab", 300)}
    plane = plane_of(kinds, number, 2)
    assert seen == [100, 101, 102, 103, 200, 201, 300, 301, 302, 303]
    assert "".join(plane["label"]) == "aabbbbabab"
    assert plane["origin"].tolist() == ["train"] * 4 + ["test"] * 2 + ["synthetic"] * 4


def test_lesions_that_look_alike_lie_together():
    rng = np.random.default_rng(0)
    images = np.concatenate([rng.normal(0, 1, (30, 1, 5, 5)), rng.normal(9, 1, (30, 1, 5, 5))])
    labels = np.repeat(["a", "b"], 30)
    plane = plane_of({"train": (images[::2], labels[::2]), "synthetic": (images[1::2], labels[1::2])}, row_means, 60)
    assert list(plane) == ["x", "y", "label", "origin"]
    means, spread = plane.groupby("label")[["x", "y"]].mean(), plane.groupby("label")[["x", "y"]].std().mean().mean()
    assert np.linalg.norm(means.loc["a"] - means.loc["b"]) > spread
    assert plane_of({"train": (images[:4], labels[:4]), "test": (images[:5], labels[:5])}, row_means, 60) is None


def test_so_many_of_each_class_are_shown():
    assert first_of_each(np.array(["a", "b", "a", "a", "b"]), 2).tolist() == [0, 1, 2, 4]
