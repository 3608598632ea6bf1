import pytest

from augmentor.expansion import twins
from augmentor.expansion.rules import Synthetic
from augmentor.model.thumbnails import turned_views
from tests.expansion.fake import training_lesions


def _to_compare():
    images = training_lesions()[0]
    images[7], images[30], images[60] = images[3], images[29][:, ::-1], images[2]  # some are copies of earlier ones
    seen = enumerate(zip(images, turned_views(images), strict=True))
    return [Synthetic("plain", number, image, turned=turned) for number, (image, turned) in seen]


def test_lesions_are_compared_with_the_last_ones_kept_however_many_come_at_a_time(monkeypatch):
    monkeypatch.setattr(twins, "WINDOW", 16)
    found = []
    for together in (1, 3, 80):
        window, lesions = twins.Twins(0.3), _to_compare()
        for start in range(0, len(lesions), together):
            assert window.judge(lesions[start : start + together]) == lesions[start : start + together]
        assert not any(lesion.turned.size for lesion in lesions)
        assert window._window.shape == (4, 64, 16)
        found.append(lesions)
    assert [x.seed for x in found[0] if x.rule == "twin"] == [7, 30]  # the 2 that 60 repeats has left the window
    for lesions in found[1:]:
        assert [x.rule for x in lesions] == [x.rule for x in found[0]]
        for one, other in zip(lesions, found[0], strict=True):
            assert one.measured == pytest.approx(other.measured, abs=1e-3)  # near 0, a root of rounding


def test_lesions_that_another_rule_refused_are_neither_compared_nor_kept():
    window, (lesion, again, *_) = twins.Twins(0.3), _to_compare()
    lesion.rule = "copy"
    again.turned = lesion.turned
    window.judge([lesion, again])
    assert (lesion.rule, again.rule) == ("copy", None)
    assert not again.measured


@pytest.mark.parametrize("together", [1, 5])
def test_a_refused_lesion_takes_no_place_in_the_window(monkeypatch, together):
    monkeypatch.setattr(twins, "WINDOW", 3)
    images = training_lesions()[0][[0, 1, 1, 2, 0]]  # the repeated 1 would push the first 0 out
    seen = enumerate(zip(images, turned_views(images), strict=True))
    lesions = [Synthetic("plain", number, image, turned=turned) for number, (image, turned) in seen]
    window = twins.Twins(0.3)
    for start in range(0, len(lesions), together):
        window.judge(lesions[start : start + together])
    assert [lesion.rule for lesion in lesions] == [None, None, "twin", None, "twin"]
