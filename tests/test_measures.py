import tracemalloc

import numpy as np
import prdc
import pytest
import torch
from scipy.stats import t
from sklearn.metrics import roc_auc_score
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from augmentor import measures

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 8))
OTHERS = RNG.normal(size=(80, 8))
FAR = RNG.normal(8, 1, size=(80, 8))


def kid(*sets):
    return measures.compare_kernels(*sets).kid


def kid_interval(*sets):
    return measures.mean_kid_interval([measures.compare_kernels(*sets)])


@pytest.mark.parametrize("measure", [measures.coverage, measures.precision, measures.recall])
def test_a_set_covers_itself_wholly_and_a_far_one_not_at_all(measure):
    assert measure(POINTS, POINTS) == 1
    assert measure(POINTS, FAR) == 0


def test_density_of_a_set_in_itself_is_about_one():
    assert measures.density(POINTS, OTHERS) == pytest.approx(1, abs=0.35)
    assert measures.density(POINTS, FAR) == 0


def test_density_does_not_depend_on_how_few_real_lesions_there_are():
    rng = np.random.default_rng(4)
    found = [
        np.mean([measures.density(rng.normal(size=(n, 8)), rng.normal(size=(200, 8))) for _ in range(80)])
        for n in (4, 40)
    ]
    assert found == pytest.approx([1, 1], abs=0.2)


@pytest.mark.parametrize("measure", [kid, measures.mmd])
def test_the_distance_of_one_distribution_to_itself_is_zero_on_average(measure):
    draws = [measure(RNG.normal(size=(40, 8)), RNG.normal(size=(40, 8))) for _ in range(60)]
    spread = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * spread
    assert measure(POINTS, FAR) > 10 * np.std(draws)


def test_kid_is_the_mean_over_pairs_written_out():
    a, b = POINTS[:5], OTHERS[:4]

    def kernel(x, y):
        return (x @ y / a.shape[1] + 1) ** 3

    aa = np.mean([kernel(a[i], a[j]) for i in range(5) for j in range(5) if i != j])
    bb = np.mean([kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([kernel(x, y) for x in a for y in b])
    assert kid(a, b) == pytest.approx(aa + bb - 2 * ab)


def test_mmd_of_four_points_is_the_arithmetic_written_out():
    real, others = np.array([[0.0], [2.0]]), np.array([[1.0], [4.0]])  # the real ones' median distance is 2
    within = np.exp(-((2 / 2) ** 2) / 2) + np.exp(-((3 / 2) ** 2) / 2)
    across = np.mean([np.exp(-((d / 2) ** 2) / 2) for d in (1, 4, 1, 2)])
    assert measures.mmd(real, others) == pytest.approx(within - 2 * across)


def test_coverage_is_bounded_by_the_variety_of_the_synthetic_set():
    collapsed = np.repeat(POINTS[:1], 200, axis=0)
    assert measures.coverage(POINTS, collapsed) < 0.3


def test_standardise_uses_the_reference_only():
    reference, other = measures.standardise(POINTS * 3 + 1, OTHERS)
    assert reference.mean(0) == pytest.approx(0, abs=1e-9)
    assert reference.std(0) == pytest.approx(1)
    assert other.std(0).mean() < 0.5


def test_a_column_that_the_reference_hardly_shows_does_not_rule():
    """As a pretrained feature that fires once in the real lesions, by a millionth, and often in synthetic ones."""
    rare = np.zeros((len(POINTS), 1))
    rare[0] = 1e-6
    reference, shown = np.hstack([POINTS, rare]), np.hstack([OTHERS, np.full((len(OTHERS), 1), 0.5)])
    assert kid(*measures.standardise(reference, shown)) > 1e6
    plain, least = measures.standardise(reference, shown), measures.standardise(reference, shown, least=0.1)
    assert kid(*least) < 1e3
    assert all(np.array_equal(a[:, :-1], b[:, :-1]) for a, b in zip(plain, least, strict=True))


def test_columns_that_never_vary_do_not_lower_what_a_column_is_divided_by():
    rng = np.random.default_rng(0)
    real = np.hstack([rng.normal(size=(50, 2)), 0.001 * rng.normal(size=(50, 1)), np.zeros((50, 7))])
    _, moved = measures.standardise(real, real + np.eye(10)[2], least=0.1)
    assert np.abs(moved[:, 2]).max() < 20, "1000 where the median column is one that never varies"


class _Features(torch.nn.Module):
    """Takes vectors for images, so that the other implementation sees the same features."""

    num_features = 8

    def forward(self, images):
        return images.reshape(len(images), -1)


def test_kid_is_that_of_torchmetrics():
    theirs = KernelInceptionDistance(feature=_Features(), subsets=1, subset_size=60).set_dtype(torch.float64)
    theirs.update(torch.tensor(POINTS), real=True)
    theirs.update(torch.tensor(OTHERS[:60]), real=False)
    assert kid(POINTS, OTHERS[:60]) == pytest.approx(float(theirs.compute()[0]), rel=1e-6)


@pytest.mark.parametrize("other", [OTHERS, FAR])
def test_fid_is_that_of_torchmetrics(other):
    theirs = FrechetInceptionDistance(feature=_Features(), input_img_size=(1, 1, 8)).set_dtype(torch.float64)
    theirs.update(torch.tensor(POINTS), real=True)
    theirs.update(torch.tensor(other), real=False)
    assert measures.fid(POINTS, other) == pytest.approx(float(theirs.compute()), rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_precision_recall_density_and_coverage_are_those_of_prdc(shift, capsys):
    theirs = prdc.compute_prdc(POINTS, OTHERS + shift, nearest_k=measures.NEIGHBOURS)
    capsys.readouterr()
    for name, value in theirs.items():
        assert getattr(measures, name)(POINTS, OTHERS + shift) == pytest.approx(float(value), rel=1e-6)


def test_fid_is_offered_only_where_both_sets_outnumber_the_features():
    assert measures.allows_fid(POINTS, OTHERS)
    assert not measures.allows_fid(POINTS[:8], OTHERS)
    assert not measures.allows_fid(POINTS, OTHERS[:8])


def patients_of_three(rng, mean=0.0):
    """60 points of 20 patients, whose own three are alike."""
    own, each = rng.normal(mean, 0.7, (20, 1, 8)), rng.normal(0, 0.7, (20, 3, 8))
    return (own + each).reshape(60, 8), np.repeat(np.arange(20), 3)


def test_the_interval_of_kid_holds_its_mean_and_knows_patients():
    rng, found, held = np.random.default_rng(1), [], []
    for _ in range(60):
        real, patients = patients_of_three(rng)
        synthetic = rng.normal(0.3, 1, (80, 8))
        found.append(kid(real, synthetic, patients))
        held.append(kid_interval(real, synthetic, patients, np.arange(80)))
    assert np.mean([low <= np.mean(found) <= high for low, high in held]) >= 0.85
    assert np.mean([high - low for low, high in held]) < 2 * 4 * np.std(found)
    alone = kid_interval(real, synthetic, np.arange(60), np.arange(80))
    assert held[-1][1] - held[-1][0] > alone[1] - alone[0]


def test_the_interval_of_kid_knows_the_patients_of_both_sides():
    """Two sets of one law, 12 patients' five lesions each: KID is 0 on average, and an interval that takes each lesion
    for a patient's only one misses it."""
    rng, held = np.random.default_rng(2), {"patients": 0, "lesions": 0}
    patients = np.repeat(np.arange(12), 5)
    for _ in range(100):
        real, others = (
            (rng.normal(0, 0.8, (12, 1, 8)) + rng.normal(0, 0.6, (12, 5, 8))).reshape(60, 8) for _ in range(2)
        )
        for name, whose in (("patients", patients), ("lesions", np.arange(60))):
            low, high = kid_interval(real, others, whose, whose)
            held[name] += low <= 0 <= high
    assert held["patients"] >= 80
    assert held["lesions"] < 65
    (low, high), (bottom, top) = (kid_interval(real, others, patients, whose) for whose in (patients, np.arange(60)))
    assert high - low > top - bottom


def test_the_interval_of_kid_is_the_jackknife_written_out():
    """Five patients of 15 lesions, each left out in turn; and 23 others in five bunches, however many there are."""
    real, others, patients, bunches = POINTS[:15], OTHERS[:23], np.arange(15) % 5, np.arange(23) % 5

    def variance(left_out):
        return 4 / 5 * np.sum((left_out - np.mean(left_out)) ** 2)

    both = variance([kid(real[patients != p], others, patients[patients != p]) for p in range(5)])
    both += variance([kid(real, others[bunches != b], patients) for b in range(5)])
    half, middle = t.ppf(0.975, 4) * both**0.5, kid(real, others, patients)
    low, high = kid_interval(real, others, patients, np.arange(23))
    assert (low, high) == pytest.approx((middle - half, middle + half))


def test_the_interval_of_a_mean_leaves_a_patient_out_of_all_classes_at_once():
    """Three classes of 20 lesions: of patients 0 to 4, 0 to 3, and 2 to 6; the others of 30 in seven bunches."""
    owned = [np.arange(20) % 5, np.arange(20) % 4, 2 + np.arange(20) % 5]
    real, others = POINTS.reshape(3, 20, 8), OTHERS[:30].reshape(3, 10, 8)
    bunches = (np.arange(30) % 7).reshape(3, 10)

    def mean_kid(kept, others_kept):
        classes = zip(real, others, owned, kept, others_kept, strict=True)
        return np.mean([kid(a[rows], b[theirs], whose[rows]) for a, b, whose, rows, theirs in classes])

    def variance(left_out):
        return 6 / 7 * np.sum((left_out - np.mean(left_out)) ** 2)

    every = [np.full(20, True)] * 3, [np.full(10, True)] * 3
    both = variance([mean_kid([whose != p for whose in owned], every[1]) for p in range(7)])
    both += variance([mean_kid(every[0], bunches != b) for b in range(7)])
    half, middle = t.ppf(0.975, 3) * both**0.5, mean_kid(*every)
    sums = [measures.compare_kernels(real[c], others[c], owned[c], 10 * c + np.arange(10)) for c in range(3)]
    assert measures.mean_kid_interval(sums) == pytest.approx((middle - half, middle + half))


def test_where_patients_own_all_classes_their_mean_is_no_surer_than_one():
    """Three classes of the same ten patients, whose lesions are all but alike: three copies of one class, nearly."""
    rng, whose, found = np.random.default_rng(3), np.repeat(np.arange(10), 3), []
    for _ in range(40):
        own = rng.normal(0, 1, (10, 1, 8))
        classes = [(own + rng.normal(0, 0.3, (10, 3, 8))).reshape(30, 8) for _ in range(3)]
        sums = [
            measures.compare_kernels(real, rng.normal(0.5, 1, (40, 8)), whose, 40 * c + np.arange(40))
            for c, real in enumerate(classes)
        ]
        found.append((np.mean([of.kid for of in sums]), measures.mean_kid_interval(sums)))
    middle = np.mean([mean for mean, _ in found])
    assert np.mean([low <= middle <= high for _, (low, high) in found]) >= 0.9


def test_kid_of_one_patient_has_no_interval():
    assert kid_interval(POINTS, OTHERS, np.zeros(60), np.arange(len(OTHERS))) is None
    assert kid_interval(POINTS, OTHERS, np.arange(60), np.zeros(len(OTHERS))) is None
    assert kid_interval(POINTS[:3], OTHERS, np.array([0, 0, 1]), np.arange(len(OTHERS))) is None


def test_kid_of_two_patients_has_no_interval():
    """Without one of them nothing is left to compare within the set."""
    assert kid_interval(POINTS, OTHERS, np.arange(60) % 2, np.arange(80)) is None
    assert kid_interval(POINTS, OTHERS, np.arange(60) % 3, np.arange(80)) is not None


@pytest.mark.parametrize("measure", [kid, measures.mmd])
def test_patients_of_several_lesions_leave_the_distance_of_one_distribution_zero_on_average(measure):
    """A perfect generator scores as the lesions of as many other patients do."""
    rng, found = np.random.default_rng(5), {"synthetic": [], "floor": [], "lesions": []}
    for _ in range(60):
        (real, whose), (training, theirs) = patients_of_three(rng), patients_of_three(rng)
        synthetic = rng.normal(0, 0.7 * 2**0.5, (60, 8))
        found["synthetic"].append(measure(real, synthetic, whose))
        found["floor"].append(measure(real, training, whose, theirs))
        found["lesions"].append(measure(real, synthetic))
    far = {name: np.mean(values) / (np.std(values) / len(values) ** 0.5) for name, values in found.items()}
    assert abs(far["synthetic"]) < 3
    assert abs(far["floor"]) < 3
    assert far["lesions"] > 6


def test_kid_of_patients_is_the_mean_over_pairs_of_different_ones():
    a, b, whose = POINTS[:6], OTHERS[:4], np.array([7, 3, 7, 3, 3, 5])

    def kernel(x, y):
        return (x @ y / a.shape[1] + 1) ** 3

    aa = np.mean([kernel(a[i], a[j]) for i in range(6) for j in range(6) if whose[i] != whose[j]])
    bb = np.mean([kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([kernel(x, y) for x in a for y in b])
    assert kid(a, b, whose) == pytest.approx(aa + bb - 2 * ab)
    assert kid(b, a, None, whose) == pytest.approx(aa + bb - 2 * ab)


def test_mmd_of_patients_is_the_mean_over_pairs_of_different_ones():
    a, b, whose = POINTS[:6], OTHERS[:4], np.array([7, 3, 7, 3, 3, 5])
    width = np.median([np.linalg.norm(a[i] - a[j]) for i in range(6) for j in range(i)])

    def kernel(x, y):
        return np.exp(-np.sum((x - y) ** 2) / width**2 / 2)

    aa = np.mean([kernel(a[i], a[j]) for i in range(6) for j in range(6) if whose[i] != whose[j]])
    bb = np.mean([kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    ab = np.mean([kernel(x, y) for x in a for y in b])
    assert measures.mmd(a, b, whose) == pytest.approx(aa + bb - 2 * ab)


@pytest.mark.parametrize("measure", [kid, measures.mmd])
def test_lesions_of_a_patient_each_are_what_they_are_without_patients_bit_for_bit(measure):
    whose = np.random.default_rng(0).permutation(60)
    assert measure(POINTS, OTHERS, whose, np.arange(80)) == measure(POINTS, OTHERS)


@pytest.mark.parametrize("measure", [kid, measures.mmd])
def test_lesions_of_a_single_patient_have_no_distance(measure):
    assert np.isnan(measure(POINTS, OTHERS, np.zeros(60)))
    assert np.isnan(measure(POINTS, OTHERS, None, np.full(80, 3)))


@pytest.mark.parametrize("rows", [5, 40])
def test_rows_are_drawn_by_chance_and_always_the_same(rows):
    drawn = measures.drawn_rows(rows, 12)
    assert len(np.unique(drawn)) == min(rows, 12)
    assert set(drawn) <= set(range(rows))
    assert (drawn == measures.drawn_rows(rows, 12)).all()


@pytest.mark.parametrize(
    "measure", [kid, measures.mmd, measures.precision, measures.recall, measures.density, measures.coverage]
)
def test_chunks_change_no_measure(measure, monkeypatch):
    whole = measure(POINTS, OTHERS)
    monkeypatch.setattr(measures, "_CHUNK_NUMBERS", 7 * 60)
    assert measure(POINTS, OTHERS) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("measure", [kid, measures.recall, measures.density, measures.coverage])
def test_memory_is_linear_in_the_number_of_points(measure, monkeypatch):
    monkeypatch.setattr(measures, "_CHUNK_NUMBERS", 100_000)
    peaks = []
    for count in (1000, 4000):
        points = RNG.normal(size=(count, 4))
        tracemalloc.start()
        measure(points, points[::-1].copy())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]
    assert peaks[1] < 4000 * 4000 * 8 / 4


def test_an_auc_of_many_weights_is_scikit_learns_one_by_one_ties_as_half():
    rng = np.random.default_rng(5)
    positive, scores, weights = rng.random(80) < 0.3, rng.normal(size=80).round(1), rng.integers(0, 4, (80, 12))
    theirs = [roc_auc_score(positive, scores, sample_weight=drawn) for drawn in weights.T]
    assert measures.weighted_auc(positive, scores, weights) == pytest.approx(theirs)


def test_an_auc_is_unknown_where_one_kind_does_not_count():
    positive = np.array([True, False, False])
    weights = np.array([[1, 0, 1], [0, 1, 1], [0, 1, 1]])
    found = measures.weighted_auc(positive, np.array([1.0, 1.0, 2.0]), weights)
    assert np.isnan(found).tolist() == [True, True, False]
    assert found[2] == 0.25
