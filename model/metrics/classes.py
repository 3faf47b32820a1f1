"""Would a land cover map made of the prediction be the one made of the truth?

K-means on the truth's spectra; the prediction's pixels go to the nearest of the same centres.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import kmeans2, vq

from model.metrics.images import Image, Pair

CLASSES = 5
SEED = 0
FITTED = 100_000
"""Pixels, drawn at random, that the centres are fitted on; of more, more time and the same map."""
ROUNDS, ROUND = 30, 10
"""K-means ends when no centre moves in a round, or after so many rounds of so many steps."""

# scipy's K-means and not scikit-learn's: it is here already, imports in a tenth of a second where
# the other takes one and 50 MB, and works in one thread, so the same seed gives the same map on
# any machine.  The tests hold it to scikit-learn's from the same first centres.


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How well the prediction's map repeats the truth's; precision, recall and F1 are means over
    the classes that either map has (a class that one of them lacks counts 0)."""

    accuracy: float
    """Share of the pixels that keep their class (overall accuracy)."""

    precision: float
    recall: float
    f1: float

    predicted: NDArray[np.int16]
    """(y, x): class of each pixel, -1 where it is unknown."""

    truth: NDArray[np.int16]
    """(y, x), likewise."""

    centres: Image
    """(class, band) reflectance, in the order of their mean: class 0 is the darkest."""


def classification(
    predicted: ArrayLike, truth: ArrayLike, *, classes: int = CLASSES, seed: int = SEED
) -> Classification:
    """Classes of the pixels known in all bands of both.  Nothing known: NaN, and maps of -1.

    Raises ValueError for fewer than two ``classes``.
    """
    if classes < 2:
        raise ValueError(f"classes={classes}: a map needs 2 or more")
    pair = Pair.of(predicted, truth)
    p, t = (image.T for image in pair.pixels())
    maps = np.full((2, *pair.known.shape), -1, np.int16)
    centres = _centres(t, classes, seed)
    table = np.zeros((classes, classes))
    if len(t):
        ours, theirs = (vq(spectra, centres)[0] for spectra in (p, t))
        maps[:, pair.known] = ours, theirs
        np.add.at(table, (theirs, ours), 1)
    hits, found, wanted = np.diag(table), table.sum(0), table.sum(1)
    some = (found + wanted) > 0

    def mean(share: Image, of: Image) -> float:
        if not some.any():
            return float("nan")
        return float(np.mean(share[some] / np.maximum(of[some], 1)))

    return Classification(
        accuracy=float(hits.sum() / table.sum()) if len(t) else float("nan"),
        precision=mean(hits, found),
        recall=mean(hits, wanted),
        f1=mean(2 * hits, found + wanted),
        predicted=maps[0],
        truth=maps[1],
        centres=centres,
    )


def _centres(spectra: Image, classes: int, seed: int) -> Image:
    """(class, band), darkest first; NaN where there are no spectra.

    With fewer different spectra than classes some classes stay empty.
    """
    if not len(spectra):
        return np.full((classes, spectra.shape[1]), np.nan)
    rng = np.random.default_rng(seed)
    if len(spectra) > FITTED:
        spectra = spectra[rng.choice(len(spectra), FITTED, replace=False)]
    centres = _first_centres(spectra, classes, rng)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        for _ in range(ROUNDS):
            before = centres
            centres, _labels = kmeans2(spectra, before, iter=ROUND, minit="matrix")
            if np.array_equal(centres, before):
                break
    return np.asarray(centres[np.argsort(centres.mean(1), kind="stable")])


def _first_centres(spectra: Image, classes: int, rng: np.random.Generator) -> Image:
    """K-means++ (Arthur & Vassilvitskii 2007): each next by its squared distance to the nearest.

    Not scipy's, which fails where there are fewer different spectra than classes.
    """
    chosen = [spectra[rng.integers(len(spectra))]]
    nearest = np.full(len(spectra), np.inf)
    while len(chosen) < classes:
        nearest = np.minimum(nearest, ((spectra - chosen[-1]) ** 2).sum(1))
        cumulated = np.cumsum(nearest)
        drawn = np.searchsorted(cumulated, rng.uniform() * cumulated[-1], side="right")
        chosen.append(spectra[min(int(drawn), len(spectra) - 1)])
    return np.stack(chosen)
