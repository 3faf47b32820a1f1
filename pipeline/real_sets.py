"""Five small public sets of real image pairs, as scenes that a method is scored on.

They are not part of the project and are never copied into it: they lie in ``shared/data`` beside
the checkout, each with a README that tells origin and licence.  Everything here is surface
reflectance; the traps of each set (another scale, a moved transform, a cloud that nobody found)
are dealt with in its reader, once.

A scene hides one fine image and gives a method what it may know.  One-sided scenes know a single
pair: both references are the same and the weight of the later one is 0.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from scipy.io import loadmat

from catalogs import BANDS
from model.block import COARSE_PAD, Array, Block, Bool, Series
from model.coarse_calm import calm_coarse
from model.coarse_fill import fill_coarse
from model.worlds.timeline import FILL_DAYS
from pipeline.geotiffs import dated_paths

HIDE_DAYS = (0, 8, 16, 32)
"""Fine images up to so many days from the target are hidden with it."""

CLEAR = 0.9
"""Least known share of a fine image that is a target or a reference."""

CLOUD = date(2020, 11, 26)
"""A fine image of the Salton Sea under a cloud or haze that its mask does not know: it correlates
with the coarse image of the day by .35 where all others do by .82 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One hidden fine image, and what is known around it."""

    set: str
    group: str
    """Scenes of a group are scored together."""

    name: str
    block: Block
    truth: Array
    """(time, band, y, x) reflectance, NaN where the fine sensor did not see it."""

    bands: tuple[str, ...]
    pixel_m: float
    """Side of a fine pixel on the ground."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The images of a day: fine (band, y, x), coarse (band, row, col) without padding."""

    day: date
    fine: Array
    coarse: Array
    coarse_filled: Bool | None = None
    """(row, col) where it was not seen that day."""


def salton_sea(root: Path) -> Iterator[Scene]:
    """Daily VIIRS cells of 490 m and 18 clear HLS images of 70 m, near infrared.

    The only set with a daily record, so its coarse images are filled and calmed by the days around
    them, as a region's are.  Every clear fine date that keeps clear ones on both sides, by the days
    hidden around it.  ``CLOUD`` is neither target nor reference there; scenes that let it in, as a
    method would that trusts the masks, are groups of their own.
    """
    folder = _folder(root, "salton-sea")
    record = dict(sorted((day, _read(path)) for path, day in dated_paths(folder / "coarse")))
    days, seen = [_number(day) for day in record], np.stack(list(record.values()))
    _, filled = fill_coarse(seen, days, window=FILL_DAYS)
    pairs = []
    for path, day in dated_paths(folder / "fine"):
        fine = _read(path)
        if np.isfinite(fine).mean() >= CLEAR:
            calmed = calm_coarse(seen, days, at=[_number(day)], window=FILL_DAYS)[0]
            marks = filled[days.index(_number(day))]
            pairs.append(_Pair(day=day, fine=fine, coarse=calmed, coarse_filled=marks))
    clean = [pair for pair in pairs if pair.day != CLOUD]
    for hide in HIDE_DAYS:
        for group, known in (("", clean), (", cloud let in", pairs)):
            for target in known:
                left = [one for one in known if abs((one.day - target.day).days) > hide]
                before = [one for one in left if one.day < target.day][-1:]
                after = [one for one in left if one.day > target.day][:1]
                touched = CLOUD in {one.day for one in (*before, target, *after)}
                if not before or not after or touched != bool(group):
                    continue
                clouded = "truth" if target.day == CLOUD else "reference"
                yield _scene(
                    "salton-sea",
                    f"hide {hide} days" + (f"{group} as {clouded}" if group else ""),
                    (before[0], target, after[0]),
                    ("nir08",),
                    ratio=7,
                    pixel_m=70.0,
                    known=left,
                )


def kranj(root: Path) -> Iterator[Scene]:
    """Landsat 8 and interpolated MODIS, six bands, 44 x 45 pixels: three dates that have both.

    Landsat is reflectance x 10000, MODIS reflectance.  The unfilled Landsat images are used: what
    was filled is nobody's observation.
    """
    folder = _folder(root, "kranj")
    coarse = {day: path for path, day in dated_paths(folder / "modis")}
    pairs = [
        _Pair(
            day=day,
            fine=whole_cells(_read(path) / 1e4, 16),
            coarse=cell_means(whole_cells(_read(coarse[day]), 16), 16),
        )
        for path, day in dated_paths(folder / "landsat_unfilled")
        if day in coarse
    ]
    yield from _every_way("kranj", pairs, BANDS, ratio=16, pixel_m=30.0)


def shenzhen(root: Path) -> Iterator[Scene]:
    """Landsat 7 and MOD09 of 2000-11-01 and 2002-11-07, red, green and near infrared, 500 x 500.

    The MODIS files' transforms are some 160 m off although the pixels match, so only the pixels
    are read.  MOD09 has red and NIR at 250 m: cells of 8 fine pixels beside the usual 16.
    """
    folder = _folder(root, "shenzhen")
    order = ("nir08", "red", "green")
    for ratio in (8, 16):
        pairs = []
        for day, fine, coarse in (
            (date(2000, 11, 1), "L72000306_SZ_B432_30m", "MOD09_2000306_SZ_B214_250m"),
            (date(2002, 11, 7), "L72002311_SZ_B432_30m", "MOD09_2002311_SZ_B214_250m"),
        ):
            seen, blurred = (
                _cropped(_sorted(_read(folder / f"{name}.tif") / 1e4, order), ratio)
                for name in (fine, coarse)
            )
            pairs.append(_Pair(day=day, fine=seen, coarse=cell_means(blurred, ratio)))
        bands = ("green", "red", "nir08")
        for scene in _every_way("shenzhen", pairs, bands, ratio=ratio, pixel_m=30.0):
            yield replace(scene, group=f"{scene.group}, ratio {ratio}")


def tsstf(root: Path) -> Iterator[Scene]:
    """Two real fine images of 400 x 400 in six bands; coarse = their mean over 20 x 20 pixels.

    Stretched to 0..1 by its makers, so errors are no reflectance; days are not told, 64 apart is
    assumed, and 25 m pixels, for it looks like Coleambally (CIA).
    """
    folder = _folder(root, "tsstf")
    images = loadmat(folder / "sample_data.mat")
    pairs = [
        _Pair(
            day=day,
            fine=_band_first(images[f"H{which}_GT"]),
            coarse=_band_first(images[f"L{which}_GT"]),
        )
        for which, day in (("r", date(2001, 10, 1)), ("t", date(2001, 12, 4)))
    ]
    note = "stretched to 0..1: not reflectance; the coarse images are simulated"
    yield from _every_way("tsstf", pairs, BANDS, ratio=20, pixel_m=25.0, note=note)


def real_set1(root: Path) -> Iterator[Scene]:
    """Landsat 8 and MODIS of 2016-08-07, -23 and -30, four bands, 444 x 444, noisy.

    Fine images are top of atmosphere (DN 2e-5 - .1), coarse ones surface reflectance x 10000;
    clouds and block artefacts are left in.  Good for robustness: no method should do worse than
    its references.
    """
    folder = _folder(root, "imagefusion-real-set1")
    order = ("red", "swir16", "nir08", "green")
    pairs = []
    for day, number in (
        (date(2016, 8, 7), 220),
        (date(2016, 8, 23), 236),
        (date(2016, 8, 30), 243),
    ):
        fine = _read(folder / f"L_2016_{number}.tif") * 2e-5 - 0.1
        coarse = _read(folder / f"M_2016_{number}-nearestneighbor.tif") / 1e4
        pairs.append(
            _Pair(
                day=day,
                fine=_cropped(_sorted(fine, order), 16),
                coarse=cell_means(_cropped(_sorted(coarse, order), 16), 16),
            )
        )
    bands = tuple(sorted(order, key=BANDS.index))
    note = "robustness only: clouds in the fine images, artefacts in the coarse ones"
    yield from _every_way("imagefusion-real-set1", pairs, bands, ratio=16, pixel_m=30.0, note=note)


READERS: Mapping[str, Callable[[Path], Iterator[Scene]]] = {
    "salton-sea": salton_sea,
    "kranj": kranj,
    "shenzhen": shenzhen,
    "tsstf": tsstf,
    "imagefusion-real-set1": real_set1,
}

FOLDERS: Mapping[str, str] = {
    "salton-sea": "stars-salton-sea-nir",
    "kranj": "imagefusion-kranj",
    "shenzhen": "shenzhen-etm-mod09",
    "tsstf": "tsstf-6band-simcoarse",
    "imagefusion-real-set1": "imagefusion-real-set1",
}
"""Where each lies below the folder of all."""

GIVEN_AWAY_BY: Mapping[str, tuple[str, ...]] = {
    "salton-sea": ("salton",),
    "kranj": ("kranj",),
    "shenzhen": ("shenzhen",),
    "tsstf": ("tsstf", "cia", "coleambally"),
    "imagefusion-real-set1": ("real-set1",),
    "cia": ("cia", "coleambally", "tsstf"),
    "lgc": ("lgc", "gwydir"),
    "ahb": ("ahb", "ar horqin"),
}
"""Words that give a set away in a card's training record.  TSSTF's scene looks like that of CIA."""


def named_in(card: Mapping[str, Any], name: str) -> bool:
    """Whether a card's training, or what its weights were chosen on, names the set.

    A set that is not known here, such as a region's own, is given away by its name.
    """
    told = json.dumps(card.get("training", [])).lower().replace("_", "-")
    known = GIVEN_AWAY_BY.get(name, (name.lower().replace("_", "-"),))
    words = "|".join(map(re.escape, known))
    return re.search(rf"(?<![a-z])({words})(?![a-z])", told) is not None


def read_set(name: str, root: Path) -> list[Scene]:
    """All scenes of a set.  FileNotFoundError, with the cure, where ``root`` lacks it."""
    return list(READERS[name](root))


def _folder(root: Path, name: str) -> Path:
    folder = root / FOLDERS[name]
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no {folder}: the real sets are not part of the project; say where they "
            "lie (`data:` in an evaluation, --data of a benchmark)"
        )
    return folder


def _read(path: Path) -> Array:
    """(band, y, x), NaN where the file says nodata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # one set has no transform
        with rasterio.open(path) as file:
            return np.asarray(file.read(masked=True).astype(np.float32).filled(np.nan))


def _every_way(
    name: str,
    pairs: Sequence[_Pair],
    bands: tuple[str, ...],
    *,
    ratio: int,
    pixel_m: float,
    note: str = "",
) -> Iterator[Scene]:
    """Each date between its neighbours, and each from each other alone."""
    for before, target, after in zip(pairs, pairs[1:], pairs[2:], strict=False):
        yield _scene(
            name,
            "two-sided",
            (before, target, after),
            bands,
            ratio=ratio,
            pixel_m=pixel_m,
            known=[before, after],
            note=note,
        )
    for known in pairs:
        for target in pairs:
            if target is not known:
                yield _scene(
                    name,
                    "one-sided",
                    (known, target, known),
                    bands,
                    ratio=ratio,
                    pixel_m=pixel_m,
                    known=[known],
                    note=note,
                )


def _scene(
    name: str,
    group: str,
    pairs: tuple[_Pair, _Pair, _Pair],
    bands: tuple[str, ...],
    *,
    ratio: int,
    pixel_m: float,
    known: Sequence[_Pair],
    note: str = "",
) -> Scene:
    """``known``: the pairs, ascending, that its statistics and its series are; never the truth."""
    before, target, after = pairs
    filled_before, filled, filled_after = (
        None if one.coarse_filled is None else padded(one.coarse_filled) for one in pairs
    )
    low, centre, high = np.nanpercentile(
        np.concatenate([one.fine.reshape(len(bands), -1) for one in known], 1), (25, 50, 75), 1
    )
    block = Block(
        bands=bands,
        fine_before=before.fine,
        fine_after=after.fine,
        coarse_before=padded(before.coarse),
        coarse_after=padded(after.coarse),
        coarse=padded(target.coarse)[None],
        coarse_filled_before=filled_before,
        coarse_filled_after=filled_after,
        coarse_filled=None if filled is None else filled[None],
        day_before=_number(before.day),
        day_after=_number(after.day),
        days=(_number(target.day),),
        ratio=ratio,
        origin=(0, 0),
        centre=centre.astype(np.float32),
        spread=np.maximum(high - low, 0.01).astype(np.float32),
        series=Series.of((_number(one.day), one.fine) for one in known),
    )
    sides = f"{before.day}" if before is after else f"{before.day} and {after.day}"
    return Scene(
        set=name,
        group=group,
        name=f"{target.day} from {sides}",
        block=block,
        truth=target.fine[None],
        bands=bands,
        pixel_m=pixel_m,
        note=note,
    )


def _number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def padded(cells: NDArray[Any]) -> NDArray[Any]:
    """(..., row, col) with ``COARSE_PAD`` cells more around, repeated from the edge."""
    around = [(0, 0)] * (cells.ndim - 2) + [(COARSE_PAD, COARSE_PAD)] * 2
    return np.pad(cells, around, mode="edge")


def _sorted(image: Array, order: Sequence[str]) -> Array:
    """The layers of a file, ``order``, in the order of ``BANDS``."""
    return image[[order.index(band) for band in BANDS if band in order]].astype(np.float32)


def _cropped(image: Array, ratio: int) -> Array:
    y, x = (length // ratio * ratio for length in image.shape[1:])
    return image[:, :y, :x]


def whole_cells(image: Array, ratio: int) -> Array:
    """Lengthened by unknown pixels to whole cells."""
    y, x = (-length % ratio for length in image.shape[1:])
    return np.pad(image, ((0, 0), (0, y), (0, x)), constant_values=np.nan).astype(np.float32)


def cell_means(image: Array, ratio: int) -> Array:
    """Mean of the known pixels of each cell; NaN where less than half are known."""
    bands, y, x = image.shape
    cells = image.reshape(bands, y // ratio, ratio, x // ratio, ratio)
    known = np.isfinite(cells)
    count = known.sum((2, 4))
    mean = np.where(known, cells, 0).sum((2, 4), dtype=np.float64) / np.maximum(count, 1)
    return np.where(2 * count >= ratio**2, mean, np.nan).astype(np.float32)


def _band_first(image: NDArray[np.float64]) -> Array:
    return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)
