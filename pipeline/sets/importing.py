"""A benchmark set on disk to a scene set that training reads."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.training.scenes import COARSE, FINE, SCALE, Scene, SceneSet, open_set, written_whole
from pipeline.cube import day_number
from pipeline.sets.files import SetFiles, blocks
from pipeline.sets.tables import PATCH_PX, STRIDE_PX, BenchmarkSet, Triplet

_SPREAD_FLOOR = 0.01
_EVERY = 16
"""Of the training images, every so many rows and columns make the statistics."""


def import_set(
    spec: BenchmarkSet,
    folder: Path,
    out: Path,
    *,
    corner: tuple[int, int] | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> SceneSet:
    """Write the scene set ``out`` from the files below ``folder``.

    ``corner``: first row and column of the crop, None for the table's.  ``on_image`` is told how
    many images are done, of how many.  Raises SetError, and SceneSetError where ``out`` is no
    place for a set.
    """
    corner = spec.corner if corner is None else corner
    files = SetFiles.find(spec, folder)
    samples: dict[tuple[str, date], NDArray[np.int16]] = {}
    with written_whole(out) as new:
        for place, path in files.paths.items():
            target = new / f"{_file(*place)}.npy"
            samples[place] = _write_image(spec, path, place[0], corner, target)
            if on_image is not None:
                on_image(len(samples), len(files.paths))
        training = {day for triplet in spec.splits["train"] for day in triplet}
        centre, spread = _statistics([samples["fine", day] for day in sorted(training)])
        SceneSet(
            name=spec.name,
            bands=spec.bands,
            ratio=spec.ratio,
            coarse="pixels",
            patch_px=PATCH_PX,
            stride_px=STRIDE_PX,
            min_known=0.0,
            centre=centre,
            spread=spread,
            origin=f"{spec.origin}; rows {corner[0]} + {spec.crop[0]}, "
            f"columns {corner[1]} + {spec.crop[1]}",
            licence=spec.licence,
            scenes=tuple(
                _scene(split, triplet)
                for split, triplets in spec.splits.items()
                for triplet in triplets
            ),
        ).save(new)
    return open_set(out)


def _file(role: str, day: date) -> str:
    return f"{role}-{day:%Y%m%d}"


def _scene(split: str, triplet: Triplet) -> Scene:
    before, target, after = triplet
    fine = dict(zip(FINE, (before, after, target), strict=True))
    coarse = dict(zip(COARSE, (before, after, target), strict=True))
    return Scene(
        name=f"{target:%Y%m%d} of {before:%Y%m%d} and {after:%Y%m%d}",
        split=split,
        days=(day_number(before), day_number(target), day_number(after)),
        files={role: _file("fine", day) for role, day in fine.items()}
        | {role: _file("coarse", day) for role, day in coarse.items()},
    )


def _write_image(
    spec: BenchmarkSet, path: Path, role: str, corner: tuple[int, int], target: Path
) -> NDArray[np.int16]:
    """Write the crop of an image, and return every ``_EVERY``-th row and column of it."""
    shape = (len(spec.bands), *spec.crop)
    image = np.lib.format.open_memmap(target, "w+", np.int16, shape)
    sample = np.zeros(image[:, ::_EVERY, ::_EVERY].shape, np.int16)
    for first, numbers in blocks(spec, path, role, corner):
        if not numbers.any():
            continue  # a new file is 0 already, and takes no room on the disk there
        clipped = np.clip(numbers.astype(np.float32), 0, spec.full)
        dn = np.rint(clipped * (1 / (spec.full * SCALE))).astype(np.int16)
        image[:, first : first + dn.shape[1]] = dn
        some = dn[:, -first % _EVERY :: _EVERY, ::_EVERY]
        start = -(-first // _EVERY)
        sample[:, start : start + some.shape[1]] = some
    image.flush()
    return sample


def _statistics(
    samples: Sequence[NDArray[np.int16]],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Median and interquartile range of each band."""
    quartiles = SCALE * np.percentile(np.stack(samples, 1), (25, 50, 75), axis=(1, 2, 3))
    spread = np.maximum(quartiles[2] - quartiles[0], _SPREAD_FLOOR)
    return tuple(quartiles[1].tolist()), tuple(spread.tolist())
