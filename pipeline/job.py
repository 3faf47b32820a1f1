"""What is asked for: a region, a period, two collections, a method.  Everything else follows.

A job is plain data.  It is written into ``plan.json`` beside the cube, so that a task needs
no more than the path of that file.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from catalogs import BBox, Place, Polygon, redact
from model.card import MethodCard, describe
from pipeline.brdf import normal_sun
from pipeline.cube import daily
from pipeline.grid import Grid, degrees_of
from pipeline.pairs import Observed, SinglePair
from pipeline.store import inputs_folder

AUTO = "auto"
"""The method that is picked by the scores of held-out dates (``pipeline.validate.choice``)."""

CANDIDATES = ("sa-stf", "guided", "anomaly", "linear")
"""What ``auto`` picks among unless the region lists others, the preferred first: the method of
the paper, what it starts from, and the two naive ones that are hardest to beat.  The published
methods are left to be named: each costs as much as the fusion itself."""


class JobError(ValueError):
    """A job that cannot be done as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one kind of image comes from."""

    catalogs: tuple[str, ...]
    """Providers by name, paths of ``catalog.json`` or URLs of STAC APIs, the preferred first."""

    collections: tuple[str, ...]
    """Products that make the images together, by any of their names."""

    def __post_init__(self) -> None:
        for what in ("catalogs", "collections"):
            names = getattr(self, what)
            if not names or len(set(names)) < len(names):
                shown = ", ".join(map(redact, names))
                raise JobError(f"{what} {shown or 'are missing'}: name at least one, and each once")

    def __str__(self) -> str:
        return " and ".join(self.collections)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRules:
    """Which fine dates may serve as references of a tile, and which days are made from them."""

    min_clear: float = 0.3
    """Least clear fraction of the tile."""

    max_span_days: int = 64
    """Largest distance between the two references of a day."""

    single_pair: SinglePair = "mixed"
    """Days with a reference on one side only: ``ignore`` leaves a gap, ``mixed`` fuses them from
    that one, ``all`` fuses every day from its nearest one."""

    observed: Observed = "keep"
    """Days with a clear fine image of their own: ``keep`` its clear pixels, ``fuse`` them too as
    if there were none, or ``skip`` the fusion of a tile-day that is clear enough for a
    reference."""

    def __post_init__(self) -> None:
        if not 0 < self.min_clear <= 1:
            raise JobError(f"min_clear={self.min_clear} is no fraction; use e.g. 0.3")
        if self.max_span_days < 2:
            raise JobError(
                f"max_span_days={self.max_span_days} leaves no day between two references; "
                "use 16 or more for Landsat"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Which fuser, and its settings."""

    name: str = "sa-stf"

    among: tuple[str, ...] = ()
    """Of ``auto``: the methods it picks among, the preferred first."""

    checkpoint: str | None = "default"
    """Folder of a checkpoint; "default" is the one in the repository."""

    steps: int | None = None
    """Sampling steps; None for the card's own."""

    seed: int = 0

    samples: int = 1
    """Of the diffusion, see ``model.card.describe``: 0 states no uncertainty."""

    def __post_init__(self) -> None:
        listed = {*self.among, AUTO}
        if (self.name == AUTO) != (len(self.among) > 1) or len(listed) <= len(self.among):
            raise JobError(
                f"method {self.name} picks among {', '.join(self.among) or 'none'}; name one "
                f"method, or two and more for {AUTO} to pick among"
            )

    @property
    def each(self) -> "tuple[Method, ...]":
        """The methods that may be at work: itself, or those ``auto`` picks among."""
        return tuple(self.by_name(name) for name in self.among) or (self,)

    def by_name(self, name: str) -> "Method":
        """Another method with the same settings."""
        return replace(self, name=name, among=())

    def card(self) -> MethodCard:
        """The method's card, read without torch; of ``auto``, one for all it picks among.

        Raises model.card.CheckpointError.
        """
        if self.name == AUTO:
            cards = [one.card() for one in self.each]
            return MethodCard(
                name=AUTO,
                bands=None,
                slots=False,
                halo=max(card.halo for card in cards),
                sigma=any(card.sigma for card in cards),
                series=any(card.series for card in cards),
                sha=" ".join((AUTO, *(card.sha for card in cards))),
                weights=next((card.weights for card in cards if card.weights), None),
            )
        return describe(
            self.name, self.checkpoint, steps=self.steps, seed=self.seed, samples=self.samples
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One region's work, from items to a daily cube."""

    name: str
    grid: Grid

    polygons: tuple[Polygon, ...] = ()
    """Ground that is meant, in degrees: images that touch none of it are not read; () all."""

    start: date
    end: date
    """First and last target day, both included."""

    fine: Source
    coarse: Source
    rules: PairRules = field(default_factory=PairRules)
    method: Method = field(default_factory=Method)

    skip: tuple[str, ...] = ()
    """Items left out, by id."""

    coarse_fill_days: int = 8
    """How far a cloudy coarse cell may look for a clear day, on each side."""

    loader: Literal["odc-stac", "stackstac"] = "odc-stac"
    """What reads the rasters; the pixels are the same."""

    snow: Literal["keep", "drop"] = "keep"
    """Whether fine pixels with snow count as clear."""

    water: Literal["keep", "drop"] = "keep"
    """Whether fine pixels with water count as clear: a flood is water."""

    brdf: Literal["none", "c-factor"] = "none"
    """Whether reflectance is brought to a view from straight above under one sun."""

    calibrate: Literal["none", "linear"] = "none"
    """Whether coarse reflectance is brought to the fine sensor's, by a line for each band."""

    coregister: Literal["none", "flag", "shift"] = "flag"
    """What is done about coarse images that lie beside the fine ones: ``flag`` what is made from
    a reference whose coarse image does, or ``shift`` all of them back."""

    flicker: Literal["calm", "keep"] = "calm"
    """Whether the noise of single coarse days is averaged out over those within
    ``coarse_fill_days``, as far as the ground has not changed, or kept."""

    validation: Literal["none", "sample", "all"] = "sample"
    """How many fine dates a run hides and fuses blind, to tell how good it is."""

    institution: str = "not stated"
    license: str = "other"
    """Who makes the cube and what others may do with it (an SPDX identifier), for its readers."""

    cube: Path

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise JobError(f"end {self.end} is before start {self.start}")
        if self.coarse_fill_days < 0:
            raise JobError(f"coarse_fill_days={self.coarse_fill_days} is negative; use 0 for none")
        if self.method.among and self.validation == "none":
            raise JobError(
                f"method {AUTO} picks by held-out dates, and validation is none; let it be sample "
                "or all, or name one method"
            )
        if self.cube.suffix != ".zarr":
            raise JobError(f"cube {self.cube} does not end in .zarr; call it {self.cube}.zarr")

    @property
    def dropped(self) -> tuple[str, ...]:
        """The flags that the region masks like clouds."""
        return tuple(name for name in ("snow", "water") if getattr(self, name) == "drop")

    @property
    def normal_sun(self) -> float | None:
        """Zenith of the sun, in degrees, that reflectance is brought to; None: as it was."""
        box = self.grid.fine.geographic_extent.boundingbox
        return normal_sun((box.bottom + box.top) / 2) if self.brdf == "c-factor" else None

    @property
    def days(self) -> tuple[date, ...]:
        """Target days."""
        return daily(self.start, self.end)

    @property
    def search_start(self) -> date:
        """First day whose images may matter: a reference, and the days that fill its coarse."""
        return self.start - timedelta(days=self.rules.max_span_days + self.coarse_fill_days)

    @property
    def search_end(self) -> date:
        """Last day whose images may matter."""
        return self.end + timedelta(days=self.rules.max_span_days + self.coarse_fill_days)

    @property
    def bbox(self) -> BBox:
        """West, south, east, north of the grid in degrees; west > east across the antimeridian."""
        left, bottom, right, top = degrees_of(self.grid.fine)
        # A search that touches the region's edge exactly may lose a scene to rounding.
        down, up = (lambda v: math.floor(v * 1e5) / 1e5), (lambda v: math.ceil(v * 1e5) / 1e5)
        return down(left), down(bottom), up(right), up(top)

    @property
    def place(self) -> Place:
        """Where images are looked for."""
        return Place(bbox=self.bbox, polygons=self.polygons)

    @property
    def inputs(self) -> Path:
        """Folder of the input cubes, the frozen items and the plan, beside the cube."""
        return inputs_folder(self.cube)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; ``from_dict`` gives an equal job."""
        return {
            "name": self.name,
            "grid": self.grid.to_dict(),
            "polygons": self.polygons,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "fine": asdict(self.fine),
            "coarse": asdict(self.coarse),
            "rules": asdict(self.rules),
            "method": asdict(self.method),
            "skip": list(self.skip),
            "coarse_fill_days": self.coarse_fill_days,
            "loader": self.loader,
            "snow": self.snow,
            "water": self.water,
            "brdf": self.brdf,
            "calibrate": self.calibrate,
            "coregister": self.coregister,
            "flicker": self.flicker,
            "validation": self.validation,
            "institution": self.institution,
            "license": self.license,
            "cube": str(self.cube),
        }

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> "Job":
        """The job that ``to_dict`` wrote, here or before there was a validation or a calming."""
        return cls(
            name=known["name"],
            grid=Grid.from_dict(known["grid"]),
            polygons=_tuples(known["polygons"]),
            start=date.fromisoformat(known["start"]),
            end=date.fromisoformat(known["end"]),
            fine=_source(known["fine"]),
            coarse=_source(known["coarse"]),
            rules=PairRules(**known["rules"]),
            method=Method(**{**known["method"], "among": tuple(known["method"].get("among", ()))}),
            skip=tuple(known["skip"]),
            coarse_fill_days=known["coarse_fill_days"],
            loader=known["loader"],
            snow=known["snow"],
            water=known["water"],
            brdf=known["brdf"],
            calibrate=known["calibrate"],
            coregister=known["coregister"],
            flicker=known.get("flicker", "keep"),
            validation=known.get("validation", "sample"),
            institution=known["institution"],
            license=known["license"],
            cube=Path(known["cube"]),
        )


def _source(known: dict[str, Any]) -> Source:
    return Source(catalogs=tuple(known["catalogs"]), collections=tuple(known["collections"]))


def _tuples(known: Any) -> Any:
    return tuple(map(_tuples, known)) if isinstance(known, list | tuple) else known
