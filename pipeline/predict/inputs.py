"""The images of one prediction, checked against each other before any pixel is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path

from model.card import SERIES_HALO, MethodCard
from pipeline.predict.image import ImageError, PlainImage, open_image
from pipeline.predict.lattice import offset_in, pixel_ratio, same_grid

Scale = tuple[float, float]


class PredictError(ValueError):
    """A prediction that cannot be made as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Files, and what the user says of them."""

    before: tuple[Path, Path] | None
    """Fine and coarse image of a day before the target."""

    after: tuple[Path, Path] | None
    """The same after it.  One of the two is enough."""

    target: Path
    """The coarse image of the day to predict."""

    bands: tuple[str, ...] | None = None
    """Names of the layers of the files in their order; None: as the files say."""

    coarse_bands: tuple[str, ...] | None = None
    """The same of the coarse files, where they differ."""

    fine_scale: Scale | None = None
    """Scale and offset of the numbers; None: as the files say."""

    coarse_scale: Scale | None = None
    dates: tuple[date, ...] | None = None
    """Of the references given and the target, in order; None: as the names say."""

    ratio: int | None = None
    """Fine pixels along a coarse cell; None: as the files show."""

    same_pixels: bool = False
    """Whether coarse images lie pixel on pixel over the fine ones, whatever they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The fine and the coarse image of a reference."""

    fine: PlainImage
    coarse: PlainImage
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All images, with the same bands in the same order."""

    before: Pair
    after: Pair
    """The same as ``before`` where there is one reference alone."""

    target: PlainImage
    day: date
    bands: tuple[str, ...]
    notes: tuple[str, ...]
    """What was understood, and what looks odd, one a line."""

    @property
    def fine(self) -> PlainImage:
        """The image whose grid, numbers and names the prediction takes."""
        return self.before.fine

    @property
    def references(self) -> tuple[Pair, ...]:
        return (self.before,) if self.before is self.after else (self.before, self.after)


def open_inputs(asked: Asked, card: MethodCard) -> Inputs:
    """Open all files and see whether they fit each other and the method.

    ImageError or PredictError, with file, value and cure, where they do not.
    """
    if card.name in SERIES_HALO:
        raise PredictError(
            f"{card.name} is made from all clear fine images of a season, and a prediction has one "
            "or two; take --method linear, or make a cube of the season: daily30 catalog FOLDER OUT"
        )
    pairs = [pair for pair in (asked.before, asked.after) if pair is not None]
    if not pairs:
        raise PredictError("give --before FINE COARSE, --after FINE COARSE, or both")
    fine_named, coarse_named = asked.bands, asked.coarse_bands or asked.bands
    fine = [
        open_image(path, bands=fine_named, scale=asked.fine_scale, scale_option="--fine-scale")
        for path, _ in pairs
    ]
    coarse = [
        open_image(
            path, bands=coarse_named, scale=asked.coarse_scale, scale_option="--coarse-scale"
        )
        for path in (*(path for _, path in pairs), asked.target)
    ]
    if len(fine) == 2 and not same_grid(fine[0].box, fine[1].box):
        raise ImageError(
            f"the fine images have two grids: {fine[0].path} has {fine[0].where()}, "
            f"{fine[1].path} {fine[1].where()}; warp one to the grid of the other (gdalwarp -t_srs "
            "-te -ts)"
        )
    notes: list[str] = []
    coarse = [_placed(image, fine[0], asked.same_pixels, notes) for image in coarse]
    bands = _bands([*fine, *coarse], card)
    days = _days(asked, [one.day for one in fine], coarse[-1].day, card, notes)
    references = [
        Pair(fine=a.in_bands(bands), coarse=b.in_bands(bands), day=day)
        for a, b, day in zip(fine, coarse[:-1], days[:-1], strict=True)
    ]
    notes += [f"{image.path.name}: {_numbers(image)}" for image in (*fine, *coarse)]
    return Inputs(
        before=references[0],
        after=references[-1],
        target=coarse[-1].in_bands(bands),
        day=days[-1],
        bands=bands,
        notes=tuple(notes),
    )


def _placed(image: PlainImage, fine: PlainImage, same_pixels: bool, notes: list[str]) -> PlainImage:
    """A coarse image at the place it is taken to be."""
    if same_pixels:
        if image.shape != fine.shape:
            raise ImageError(
                f"--same-pixels: {image.path} has {image.shape[0]} x {image.shape[1]} pixels, "
                f"{fine.path} {fine.shape[0]} x {fine.shape[1]}"
            )
        return replace(image, box=fine.box)
    if image.georeferenced != fine.georeferenced or (
        not fine.georeferenced and image.shape != fine.shape
    ):
        bare = fine if image.georeferenced else image
        raise ImageError(
            f"{bare.path} has no CRS, so where it lies over the others is not known; if all images "
            "have the same pixels say --same-pixels, else georeference it (gdal_edit.py -a_srs "
            "-a_ullr)"
        )
    if (
        image.shape == fine.shape
        and 0.9 < pixel_ratio(fine.box, image.box) < 1.1
        and offset_in(fine.box, image.box) != (0, 0)
    ):
        notes.append(
            f"{image.path.name} has as many pixels as {fine.path.name}, but by its transform lies "
            "beside it; if they match one to one, say --same-pixels"
        )
    return image


def _bands(images: Sequence[PlainImage], card: MethodCard) -> tuple[str, ...]:
    """The bands that all images have, in the order of the first."""
    first = images[0]
    for image in images:
        if image.named != first.named or (not image.named and len(image.bands) != len(first.bands)):
            raise ImageError(
                f"{first.path} has the layers {', '.join(first.bands)}, {image.path} "
                f"{', '.join(image.bands)}; say which is which by --bands, and by --coarse-bands "
                "where the coarse files have another order, e.g. --bands red,nir08"
            )
    bands = tuple(band for band in first.bands if all(band in one.bands for one in images))
    if not bands:
        told = "; ".join(f"{one.path.name}: {', '.join(one.bands)}" for one in images)
        raise ImageError(f"the images have no band in common ({told}); name them by --bands")
    if card.bands is None:
        return bands
    if not first.named:
        raise PredictError(
            f"{card.name} has to know which layer is which band, and {first.path} does not say; "
            f"name its {len(first.bands)} layers by --bands, from {', '.join(card.bands)}, - for "
            "one to leave out; or take a method for any bands, e.g. --method guided"
        )
    usable = tuple(band for band in bands if band in card.bands)
    if not usable or not (card.slots or usable == card.bands):
        raise PredictError(
            f"{card.name} is made for {'some of ' if card.slots else ''}the bands "
            f"{', '.join(card.bands)}; the images share {', '.join(bands)}. Name them by --bands, "
            "or take a method for any bands, e.g. --method guided"
        )
    if usable != bands:
        left = ", ".join(band for band in bands if band not in usable)
        raise PredictError(
            f"{card.name} does not know {left}; leave it out by - in --bands, or take a method for "
            "any bands, e.g. --method guided"
        )
    return bands


def _days(
    asked: Asked,
    of_fine: Sequence[date | None],
    of_target: date | None,
    card: MethodCard,
    notes: list[str],
) -> list[date]:
    """The days of the references and, last, of the target."""
    names = [name for name in ("before", "after") if getattr(asked, name) is not None]
    order = sorted([*names, "target"], key=("before", "target", "after").index)
    if asked.dates is not None:
        if len(asked.dates) != len(order):
            raise PredictError(
                f"--dates tells {len(asked.dates)} days; give {len(order)}, of "
                f"{', '.join(order)}, e.g. --dates "
                + ",".join(f"2023-05-{8 * n + 1:02d}" for n in range(len(order)))
            )
        told = dict(zip(order, asked.dates, strict=True))
    else:
        known = dict(zip([*names, "target"], [*of_fine, of_target], strict=True))
        if missing := [name for name in order if known[name] is None]:
            if len(names) == 2 or card.weights is not None:
                raise PredictError(
                    f"the day of {' and '.join(missing)} is not in the file's name, and "
                    f"{card.name} needs it; state the days of {', '.join(order)}: --dates "
                    + ",".join(f"2023-05-{8 * n + 1:02d}" for n in range(len(order)))
                )
            known = dict.fromkeys(order, date(1970, 1, 1))
            notes.append("no days known; one reference alone, so none are needed")
        told = {name: day for name, day in known.items() if day is not None}
    for one, two in pairwise(order):
        if told[one] > told[two] or (len(names) == 2 and told["before"] == told["after"]):
            raise PredictError(
                f"the days are not in order: {', '.join(f'{n} {told[n]}' for n in order)}; were "
                "--before and --after exchanged, or is --dates wrong?"
            )
    return [told[name] for name in (*names, "target")]


def _numbers(image: PlainImage) -> str:
    scales = sorted(set(image.scales))
    told = " or ".join(f"number x {s:g}{f' {o:+g}' if o else ''}" for s, o in scales)
    return f"{', '.join(image.bands)}; reflectance = {told}"
