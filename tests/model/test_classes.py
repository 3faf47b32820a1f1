"""Land cover maps of the truth's K-means, and the pixels that changed."""

import itertools
import math

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from model import metrics
from model.metrics import classes
from model.metrics.classes import _first_centres
from tests.model.test_metrics import Image, make_pair


def make_fields(*, holes: int = 0, seed: int = 0) -> Image:
    """A truth of four kinds of land in three bands, and a prediction that errs by as much as
    they differ."""
    rng = np.random.default_rng(seed)
    spectra = np.array([[0.03, 0.02, 0.05], [0.05, 0.04, 0.4], [0.2, 0.25, 0.3], [0.4, 0.4, 0.45]])
    truth = spectra[rng.integers(4, size=(9, 12))].repeat(4, 0).repeat(4, 1).transpose(2, 0, 1)
    truth = truth + rng.normal(0, 0.01, truth.shape)
    pair = np.stack([truth + rng.normal(0, 0.1, truth.shape), truth])
    for image in pair:
        for _ in range(holes):
            image[rng.integers(3), rng.integers(36), rng.integers(48)] = np.nan
    return pair


def test_the_scores_are_those_of_scikit_learn() -> None:
    p, t = make_fields(holes=5)
    found = metrics.classification(p, t, classes=4)
    known = np.isfinite(p).all(0) & np.isfinite(t).all(0)
    assert ((found.truth >= 0) == known).all()
    assert ((found.predicted >= 0) == known).all()
    ours, theirs = found.predicted[known], found.truth[known]
    precision, recall, f1, _ = precision_recall_fscore_support(
        theirs, ours, average="macro", zero_division=0
    )
    assert 0.5 < found.accuracy < 0.95
    assert found.accuracy == pytest.approx(accuracy_score(theirs, ours))
    assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1))


def test_each_pixel_has_the_class_of_the_nearest_centre() -> None:
    p, t = make_fields()
    found = metrics.classification(p, t, classes=4)
    for image, labels in ((p, found.predicted), (t, found.truth)):
        for y, x in itertools.product(range(0, 36, 5), range(0, 48, 5)):
            away = [math.dist(image[:, y, x], centre) for centre in found.centres]
            assert labels[y, x] == np.argmin(away)
    # K-means has ended: every centre is the mean of its class.
    means = [t[:, found.truth == one].mean(1) for one in range(4)]
    assert found.centres == pytest.approx(np.array(means))
    assert list(found.centres.mean(1)) == sorted(found.centres.mean(1))


def test_centres_are_those_of_scikit_learn_from_the_same_first_ones() -> None:
    rng = np.random.default_rng(3)
    t = rng.uniform(0, 0.5, (2, 40, 40))  # no clear classes, so the way there matters
    spectra = t.reshape(2, -1).T
    first = _first_centres(spectra, 5, np.random.default_rng(0))
    theirs = KMeans(5, init=first, n_init=1, max_iter=500, tol=0).fit(spectra)
    found = metrics.classification(t, t, classes=5, seed=0)
    order = np.argsort(theirs.cluster_centers_.mean(1))
    assert found.centres == pytest.approx(theirs.cluster_centers_[order], abs=1e-9)
    assert (np.argsort(order)[theirs.labels_].reshape(40, 40) == found.truth).all()


def test_a_large_image_is_classified_by_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    p, t = make_fields()
    whole = metrics.classification(p, t, classes=4)
    monkeypatch.setattr(classes, "FITTED", 500)
    part = metrics.classification(p, t, classes=4)
    assert (part.truth == whole.truth).mean() > 0.99
    assert part.f1 == pytest.approx(whole.f1, abs=0.01)


def test_the_truth_repeats_its_own_map() -> None:
    _, t = make_fields(holes=2)
    found = metrics.classification(t, t)
    assert (found.accuracy, found.precision, found.recall, found.f1) == (1, 1, 1, 1)
    assert (found.predicted == found.truth).all()


def test_the_same_seed_gives_the_same_map_and_masked_pixels_no_vote() -> None:
    p, t = make_fields()
    one, two = (metrics.classification(p, t, seed=3) for _ in range(2))
    assert (one.truth == two.truth).all()
    assert one.accuracy == two.accuracy
    inside = np.zeros((36, 48), bool)
    inside[:20] = True
    masked = metrics.classification(metrics.only(p, inside), t, classes=4)
    cut = metrics.classification(p[:, :20], t[:, :20], classes=4)
    assert (masked.truth[:20] == cut.truth).all()
    assert masked.f1 == cut.f1


def test_fewer_spectra_than_classes_leave_classes_empty() -> None:
    t = np.zeros((2, 8, 8))
    t[:, 4:] = 0.3
    found = metrics.classification(t, t, classes=5)
    assert found.accuracy == found.f1 == 1
    assert len(np.unique(found.truth)) == 2
    # A class that only the prediction has counts, with 0.
    p = t.copy()
    p[:, 0, 0] = 0.3
    assert metrics.classification(p, t, classes=5).f1 < 1


def test_nothing_known_has_no_classes() -> None:
    t = np.full((2, 4, 4), np.nan)
    found = metrics.classification(t, t)
    assert math.isnan(found.accuracy)
    assert math.isnan(found.f1)
    assert (found.truth == -1).all()
    with pytest.raises(ValueError, match="classes=1"):
        metrics.classification(t, t, classes=1)


def test_changed_pixels_are_the_upper_tenth_beyond_what_counts() -> None:
    p, t = make_pair(y=30, x=40, holes=3)
    found = metrics.changed(t, p)
    away = np.abs(t - p).max(0)
    known = np.isfinite(away)
    large = sorted(away[known])[round(0.9 * (known.sum() - 1))]
    assert (found == (known & (away >= large) & (away > 0.05))).all()
    assert 0.08 < found.sum() / known.sum() < 0.12

    assert not metrics.changed(t, t + 0.04).any()
    left = np.zeros((30, 40), bool)
    left[:, :20] = True
    cut = metrics.changed(t[:, :, :20], p[:, :, :20])
    assert (metrics.changed(t, p, scored=left)[:, :20] == cut).all()
    assert not metrics.changed(t, p, scored=left)[:, 20:].any()
