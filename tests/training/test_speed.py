import pytest
import torch

from augmentor.errors import UsageError
from augmentor.model.convolution import Convolution
from augmentor.training import speed
from augmentor.training.speed import Speed, measure_speed


@pytest.fixture(scope="module")
def measured():
    return measure_speed(size=16, rounds=1, device="cpu")


def test_every_figure_is_measured_and_the_ratios_are_theirs(measured):
    figures = [measured.images, measured.textbook_images, measured.flop_rate, measured.convolution_rate]
    assert all(value > 0 for value in [*figures, measured.lesions, measured.bare_lesions])
    assert list(measured.ratios.values()) == [
        measured.images / measured.textbook_images,
        measured.flop_rate / measured.convolution_rate,
        measured.lesions / measured.bare_lesions,
    ]


def test_the_convolutions_of_a_step_are_found_and_are_most_of_it():
    trainer = speed._trainer("cgan", 16, "cpu")
    flops, calls = speed._counted(trainer)
    assert 0.7 * flops["all"] < flops["convolutions"] <= flops["all"]
    forward = sum(func is torch.ops.aten.convolution.default for func, _, _ in calls)
    assert len(calls) - forward > 0  # backward ones too
    speed._replay(calls)  # what was recorded can be done again


def test_steps_are_compared_with_convolutions_as_torch_computes_them(monkeypatch):
    trainer = speed._trainer("cgan", 16, "cpu")
    flops, calls = speed._counted(trainer)
    monkeypatch.setattr(Convolution, "plain", True)
    torchs_flops, torchs_calls = speed._counted(speed._trainer("cgan", 16, "cpu"))
    assert flops == torchs_flops
    wanted = [(func, args[-1]) for func, args, _ in calls]  # of a backward one: by its images, weights and bias
    assert wanted == [(func, args[-1]) for func, args, _ in torchs_calls]
    layers = [layer for layer in trainer.discriminator.modules() if isinstance(layer, Convolution)]
    assert [layer.__dict__["plain"] for layer in layers] == [False] * 2  # timed as they are trained


def test_a_convolution_is_counted_by_its_shape():
    """A 3x3 convolution of 4 to 8 channels on 2 images of 16x16: two operations a product."""
    layer, recorder = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False), speed._Recorder()
    counter = speed.FlopCounterMode(display=False)
    with counter, recorder:
        layer(torch.rand(2, 4, 16, 16))
    assert counter.get_total_flops() == 2 * 2 * 16 * 16 * 9 * 4 * 8
    assert len(recorder.calls) == 1


def test_no_round_is_refused():
    with pytest.raises(UsageError, match=r"measure_speed: rounds: .*\(given: 0\)"):
        measure_speed(size=16, rounds=0, device="cpu")


def test_ratios_of_known_figures():
    known = Speed(2, "bf16-mixed", 180.0, 60.0, 6e10, 1e11, 90.0, 100.0)
    assert list(known.ratios.values()) == [3.0, 0.6, 0.9]


def test_the_time_of_all_rounds_counts_and_that_of_the_one_that_warms_up_does_not(monkeypatch):
    tasks, rounds = 5, (0.1, 4.0, 2.0, 6.0)
    seconds = iter([time for time in rounds for _ in range(tasks)])
    monkeypatch.setattr(speed, "_timed", lambda _: next(seconds))
    found = measure_speed(size=16, rounds=3, device="cpu")
    assert found.lesions == found.bare_lesions == pytest.approx(3 * speed._COUNT / (4.0 + 2.0 + 6.0))
    assert next(seconds, None) is None
