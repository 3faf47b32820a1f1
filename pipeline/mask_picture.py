"""A picture of a day's mask over its scene: what was kept, what was not, and why.

Made from the items themselves, block by block of the region, so that memory does not grow with
the region: each block is masked at full resolution, as ingest does it, and then thinned out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np
import pystac
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from catalogs import CollectionSpec, Role, platform_of
from pipeline.ingest import Inputs
from pipeline.mask import Flags, Mask, named_flags, read_flags
from pipeline.native import scene_window, to_reflectance
from pipeline.read import read_layers, words_of
from pipeline.resample import nearest

REASONS = {
    # Where several hold, the later one is shown.
    "clear": "#ffffff",
    "poor": "#b3de69",
    "water": "#1f78ff",
    "snow": "#00e5ff",
    "saturated": "#ff1493",
    "margin": "#ff9e1b",
    "cirrus": "#1b9e77",
    "shadow": "#7b2fbe",
    "cloud": "#ffe400",
    "occluded": "#8c510a",
    "fill": "#404040",
}
NAMES = tuple(REASONS)
KEPT = ("clear", "poor", "water", "snow")

TEXTS = {
    "clear": "clear, as it is",
    "poor": "high aerosol or poor input",
    "saturated": "a band saturated or unusable",
    "margin": "margin around cloud and shadow",
    "occluded": "occluded or dropped",
    "fill": "fill, or no scene",
}

COLOURS = {"true": ("red", "green", "blue"), "false": ("swir16", "nir08", "red")}
"""True colour where the bands are there, else false colour, else one band in grey."""

SIDE_PX = 1400
"""Largest side of the picture of a region."""

BLOCK_PX = 1024
"""Side of what is in memory at once."""

Codes = NDArray[np.uint8]
"""(y, x) places in ``NAMES``."""


class NoImageError(ValueError):
    """There is no image of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedDay:
    """A day of one role over the region, thinned out."""

    image: NDArray[np.float32]
    """(band, y, x) reflectance, clouds and all; NaN where there is no scene."""

    codes: Codes
    """Why a pixel is kept or not."""

    shares: NDArray[np.float64]
    """(reason,) of the region's pixels, before thinning."""


def draw_mask(inputs: Inputs, role: Role, day: date, out: Path) -> dict[str, float]:
    """Write the picture of a day to ``out`` (PNG); the share of the region by reason.

    NoImageError, naming the days nearby, where the day has no image.
    """
    collected = inputs.fine if role == "fine" else inputs.coarse
    if day not in collected.by_day:
        near = sorted(collected.days, key=lambda one: abs(one - day))[:4]
        raise NoImageError(
            f"there is no {role} image of {day}; the nearest are of "
            f"{', '.join(map(str, sorted(near))) or 'no day at all'}"
        )
    items = collected.by_day[day]
    bands = _picture_bands(inputs.bands)
    seen = _masked_day(inputs, role, items, bands)
    dropped = inputs.drop if role == "fine" else ()
    _draw(seen, bands, dropped, f"{role} {day}: {', '.join(item.id for item in items)}", out)
    return dict(zip(NAMES, seen.shares.tolist(), strict=True))


def _picture_bands(bands: Sequence[str]) -> tuple[str, ...]:
    for wanted in COLOURS.values():
        if set(wanted) <= set(bands):
            return wanted
    return (bands[0],)


def _masked_day(
    inputs: Inputs, role: Role, items: Sequence[pystac.Item], bands: Sequence[str]
) -> MaskedDay:
    collected = inputs.fine if role == "fine" else inputs.coarse
    box = inputs.grid.fine
    height, width = box.shape.yx
    thin = -(-max(height, width) // SIDE_PX)
    image = np.full((len(bands), -(-height // thin), -(-width // thin)), np.nan, np.float32)
    codes = np.full(image.shape[1:], NAMES.index("fill"), np.uint8)
    counts = np.zeros(len(NAMES))
    side = BLOCK_PX // thin * thin
    for top in range(0, height, side):
        for left in range(0, width, side):
            block = box[top : min(top + side, height), left : min(left + side, width)]
            values, reasons = _mosaic(inputs, collected.specs, items, bands, block, role)
            counts += np.bincount(reasons.ravel(), minlength=len(NAMES))
            at = (
                slice(top // thin, -(-(top + block.shape.y) // thin)),
                slice(left // thin, -(-(left + block.shape.x) // thin)),
            )
            image[:, *at], codes[at] = values[:, ::thin, ::thin], reasons[::thin, ::thin]
    return MaskedDay(image=image, codes=codes, shares=counts / (height * width))


def _mosaic(
    inputs: Inputs,
    specs: Mapping[str, CollectionSpec],
    items: Sequence[pystac.Item],
    bands: Sequence[str],
    block: GeoBox,
    role: Role,
) -> tuple[NDArray[np.float32], Codes]:
    """The first clear scene of each pixel, as ``load_fine`` has it, else the first with any."""
    fill = NAMES.index("fill")
    image = np.full((len(bands), *block.shape.yx), np.nan, np.float32)
    codes = np.full(block.shape.yx, fill, np.uint8)
    kept = [NAMES.index(name) for name in KEPT]
    for item in items:
        spec = specs[str(item.collection_id)]
        found = _scene(item, spec, inputs, bands, block, inputs.drop if role == "fine" else ())
        if found is None:
            continue
        values, reasons = found
        better = (codes == fill) | (~np.isin(codes, kept) & np.isin(reasons, kept))
        better &= reasons != fill
        codes[better] = reasons[better]
        image[:, better] = values[:, better]
    return image, codes


def _scene(
    item: pystac.Item,
    spec: CollectionSpec,
    inputs: Inputs,
    bands: Sequence[str],
    block: GeoBox,
    drop: Sequence[str],
) -> tuple[NDArray[np.float32], Codes] | None:
    """An item's reflectance and reasons on ``block``, by nearest."""
    window = scene_window(item, spec, inputs.bands, block)
    if window is None:
        return None
    layers = read_layers(item, spec, inputs.bands, window)
    words = {key: layers[band] for key, band in words_of(item, spec)}
    shape, craft = window.shape.yx, platform_of(item)
    flags = read_flags(
        words,
        spec,
        inputs.bands,
        shape=shape,
        pixel_m=(abs(window.affine.e), abs(window.affine.a)),
        platform=craft,
        drop=drop,
    )
    named = named_flags(words, spec, shape=shape, platform=craft)
    nowhere = np.zeros(shape, bool)
    numbers = {name: spec.bands[name] for name in inputs.bands if name in spec.bands}
    known = [np.isfinite(to_reflectance(layers[b], b, nowhere)) for b in numbers.values()]
    reasons = reasons_of(flags, named, np.logical_or.reduce(known), np.logical_and.reduce(known))
    values = np.stack(
        [
            to_reflectance(layers[numbers[name]], numbers[name], nowhere)
            if name in numbers
            else np.full(shape, np.nan, np.float32)
            for name in bands
        ]
    )
    # One more than the place, so that what lies beyond the scene, 0, is told apart.
    codes = nearest((reasons + 1)[None], window, block)[0]
    outside = codes == 0
    codes = np.where(outside, NAMES.index("fill"), codes - 1).astype(np.uint8)
    return np.where(outside, np.nan, nearest(values, window, block)), codes


def reasons_of(flags: Flags, named: dict[str, Mask], any_known: Mask, all_known: Mask) -> Codes:
    """Why each pixel (y, x) is kept or not, as places in ``NAMES``.

    ``named``: the flags as the words say them; ``flags``: grown, and with what the region drops.
    """
    up = dict.fromkeys(NAMES, np.zeros(flags.reject.shape, bool)) | {
        name: mask for name, mask in named.items() if name in NAMES
    }
    up["poor"] = flags.high_aerosol
    up["saturated"] = ~all_known
    for spoilt in flags.band_reject.values():
        up["saturated"] = up["saturated"] | spoilt
    said = np.logical_or.reduce(
        [mask for name, mask in up.items() if name not in ("clear", "poor", "water", "snow")]
    )
    dropped = flags.reject & (up["water"] | up["snow"])
    up["margin"] = flags.reject & ~said & ~dropped
    up["fill"] = up["fill"] | ~any_known
    codes = np.zeros(flags.reject.shape, np.uint8)
    for place, name in enumerate(NAMES):
        codes[up[name]] = place
    return codes


def _draw(
    seen: MaskedDay, bands: Sequence[str], dropped: Sequence[str], title: str, out: Path
) -> None:
    height, width = seen.codes.shape
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(15, 15 * height / width / 2 + 1.6), layout="constrained"
    )
    scene = _stretched(seen.image, seen.codes)
    reasons = {name: place for place, name in enumerate(NAMES)}
    masked = scene.copy()
    for name, place in reasons.items():
        at = seen.codes == place
        strength = {"clear": 0.0, "fill": 1.0}.get(name, 0.6)
        masked[at] = masked[at] * (1 - strength) + np.array(to_rgb(REASONS[name])) * strength
    kept = float(sum(seen.shares[reasons[name]] for name in KEPT if name not in dropped))
    _show(left, scene, f"the scene, {'-'.join(bands)}")
    _show(right, masked, f"the mask: {kept:.1%} of the region kept")
    patches = [
        Patch(
            facecolor=REASONS[name],
            edgecolor="0.4",
            label=f"{TEXTS.get(name, name)}{_fate(name, dropped)}  {share:.1%}",
        )
        for name, share in zip(NAMES, seen.shares, strict=True)
        if share > 0
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False, fontsize=11)
    figure.suptitle(title if len(title) < 140 else f"{title[:137]}...", fontsize=11)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    plt.close(figure)


def _fate(name: str, dropped: Sequence[str]) -> str:
    if name not in ("poor", "water", "snow"):
        return ""
    return ", dropped" if name in dropped else ", kept"


def _stretched(image: NDArray[np.float32], codes: Codes) -> NDArray[np.float32]:
    """Reflectance (band, y, x) as colours (y, x, 3), by the spread of what was kept."""
    known = np.isfinite(image).all(axis=0)
    told = known & np.isin(codes, [NAMES.index(name) for name in KEPT])
    sample = image[:, told if told.sum() > 100 else known]
    low, high = np.quantile(sample, (0.01, 0.99)) if sample.size else (0.0, 0.4)
    shown = np.clip((image - low) / max(high - low, 0.05), 0, 1) ** 0.8
    colours = np.broadcast_to(shown, (3, *shown.shape[1:])) if len(shown) == 1 else shown
    return np.where(np.isfinite(colours), colours, 0.25).transpose(1, 2, 0).astype(np.float32)


def _show(axes: Axes, image: NDArray[np.float32], title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title, fontsize=12)
    axes.set_axis_off()
