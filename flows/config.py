"""The region file: what a run is asked to do, checked before anything is touched.

One YAML a region.  Everything that is not listed here has one value, in the code.  Importing this
module loads neither numpy nor torch; ``RegionConfig.job`` brings in the pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from flows.yaml_file import fault_text, read_yaml

if TYPE_CHECKING:
    from catalogs import BBox, Place
    from pipeline.grid import Grid
    from pipeline.job import Job

Metres = Annotated[float, Field(gt=0)]


def _listed(asked: object) -> object:
    return (asked,) if isinstance(asked, str) else asked


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One name, or a list of them."""


class RegionError(ValueError):
    """A region file that cannot be used; the message names file, key, value and cure."""


class _Section(BaseModel):
    # A misspelt key is an error here, not a default that is noticed a day of computing later.
    model_config = ConfigDict(frozen=True, extra="forbid")


class GridConfig(_Section):
    """Where the pixels lie.  The defaults are Landsat's own lattice."""

    crs: str = "auto"
    """"auto" (the UTM zone of the centre, as Landsat writes it), an EPSG code or WKT."""

    resolution_m: Metres | tuple[Metres, Metres] = 30.0
    """Fine pixel, one number or [x, y], in metres."""

    ratio: int = Field(default=16, ge=1)
    """Fine pixels along a coarse cell: 16 makes cells of 480 m."""

    tile_px: int = Field(default=512, ge=1)
    """Side of a tile in fine pixels, a multiple of ``ratio``."""

    anchor_m: tuple[float, float] = (15.0, 15.0)
    """A corner of the lattice; Landsat's pixel edges lie at 15 m modulo 30 m."""

    bounds_m: tuple[float, float, float, float] | None = None
    """xmin, ymin, xmax, ymax in units of ``crs``; when given, ``bbox`` only steers the search."""


class SourceConfig(_Section):
    """Where one kind of image comes from, when it is not the region's ``catalog`` alone."""

    collection: Names
    """Collections that make the images together."""

    catalog: Names | None = None
    """Like the region's own, which it takes the place of."""


class PairsConfig(_Section):
    """Which Landsat images serve as the references of a day, and which days are fused from them."""

    min_clear: float = Field(default=0.3, gt=0, le=1)
    """Least clear fraction of a tile for its image to be a reference."""

    max_span_days: int = Field(default=64, ge=2)
    """Largest distance between the reference before and the one after, in days; a day with one
    reference alone may be half of that away from it."""

    single_pair: Literal["ignore", "mixed", "all"] = "mixed"
    """A day with a reference on one side only: ``ignore`` leaves a gap, ``mixed`` fuses it from
    that one, flagged, and provisional while the other may still come; ``all`` fuses every day from
    its nearest one alone."""

    observed: Literal["keep", "fuse", "skip"] = "keep"
    """Clear pixels of the day's own image: ``keep`` them, ``fuse`` these pixels too (to see how
    the fusion does), or ``skip`` all fusion where the image is clear enough for a reference."""


class RegionConfig(_Section):
    """A region file.  Paths are relative to it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")

    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees, WGS 84; west > east across the antimeridian."""

    geojson: str | dict[str, Any] | None = None
    """In place of ``bbox``: the path of a GeoJSON file with polygons, or a geometry itself.  The
    cube is their box; images that touch none of them are not read."""

    start: date
    end: date
    """First and last target day, both included."""

    catalog: Names
    """A provider by name, the URL of a STAC API, or a ``catalog.json`` on disk.  Of several, the
    first that has images is used."""

    fine: SourceConfig
    coarse: SourceConfig
    """Collections, by any of their names; of several, all make the images together.  A name, a
    list of names, or a section of ``collection`` and ``catalog``."""

    cube: str | None = None
    """Where the daily cube goes, a ``.zarr`` folder; default ``<name>.zarr``."""

    method: Names = ("sa-stf",)
    """"sa-stf", or another of ``model.card.METHODS``: "stfdiff", published, or naive.  "auto", or
    a list of methods: of each class of gaps the one that does best on held-out dates."""

    checkpoint: str = "default"
    """"default" (the weights that come with daily30, of sa-stf) or a checkpoint folder."""

    steps: int | None = Field(default=None, ge=1)
    """Reverse steps of the sampler; None takes the checkpoint's own number."""

    samples: int = Field(default=1, ge=0, le=64)
    """Draws of the diffusion behind ``sigma_<band>``: 1 takes the checkpoint's calibration, where
    its card holds one, and costs next to nothing; more cost a draw each; 0 writes no sigma."""

    grid: GridConfig = GridConfig()
    pairs: PairsConfig = PairsConfig()

    skip: tuple[str, ...] = ()
    """Items left out, by id: those whose files are gone for good, or spoilt."""

    coarse_fill_days: int = Field(default=8, ge=0)
    """Farthest clear day, on each side, from which a cloudy coarse cell is filled."""

    loader: Literal["odc-stac", "stackstac"] = "odc-stac"
    """What reads the rasters.  The pixels are the same; what stackstac cannot hold (a grid without
    an EPSG code, as MODIS's, and several layers in a file) is read by odc-stac in any case."""

    snow: Literal["keep", "drop"] = "keep"
    """Whether snow is surface to be mapped or to be masked like cloud."""

    water: Literal["keep", "drop"] = "keep"
    """The same for open water; floods need it kept."""

    brdf: Literal["none", "c-factor"] = "none"
    """"c-factor": reflectance of images as seen is brought to a view from straight above and the
    sun's mean height at the region's latitude (Roy et al. 2016).  Products that are so already
    (HLS, MCD43A4) stay as they are."""

    calibrate: Literal["none", "linear"] = "none"
    """"linear": coarse reflectance is brought to the fine sensor's by a robust line for each band,
    measured on the days with both.  It is measured, and told by ``status``, in either case."""

    coregister: Literal["none", "flag", "shift"] = "flag"
    """Coarse images that lie more than three quarters of a cell beside the fine image of their
    day: ``flag`` marks what is made from such a reference, ``shift`` moves every coarse image
    back, by its own shift or the median one."""

    flicker: Literal["calm", "keep"] = "calm"
    """Each day the coarse sensor sees the ground from another angle, and a fusion that believes it
    flickers.  "calm": a coarse cell becomes the mean of the days around it, within
    ``coarse_fill_days``, that are alike; what changes and stays changed for three days is kept."""

    seed: int = Field(default=0, ge=0)

    validation: Literal["none", "sample", "all"] = "sample"
    """Fine dates that every run hides, fuses blind and scores: some dates and tiles of each class
    of hidden days, all of them, or none.  The scores stand in the cube, and in a report beside
    it; no image is used for what it scores.  Those of the first run also say by how much the
    uncertainty that the method states is multiplied."""

    institution: str = Field(default="not stated", min_length=1)
    """Who makes the cube, for its readers."""

    license: str = Field(default="other", pattern=r"^[A-Za-z0-9.+-]+$")
    """SPDX identifier of the cube's licence, such as CC-BY-4.0."""

    @field_validator("fine", "coarse", mode="before")
    @classmethod
    def _collections_alone(cls, asked: object) -> object:
        return {"collection": asked} if isinstance(asked, str | list | tuple) else asked

    @field_validator("bbox")
    @classmethod
    def _box_is_on_earth(cls, bbox: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if bbox is None:
            return None
        west, south, east, north = bbox
        if not (max(abs(west), abs(east)) <= 180 and west != east and -90 <= south < north <= 90):
            raise ValueError(
                f"must be west, south, east, north in degrees, got {list(bbox)}; "
                "west > east means a box across the antimeridian"
            )
        if west > east and east + 360 - west > 180:
            raise ValueError(
                f"goes from {west} east to {east}, more than half around the Earth; "
                "are west and east swapped?"
            )
        return bbox

    @field_validator("cube")
    @classmethod
    def _cube_is_zarr(cls, cube: str | None) -> str | None:
        if cube is not None and not cube.endswith(".zarr"):
            raise ValueError(f"must end in .zarr, got {cube!r}; use {cube.rstrip('/')}.zarr")
        return cube

    @model_validator(mode="after")
    def _period_runs_forward(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}; swap them")
        return self

    @model_validator(mode="after")
    def _there_is_one_place(self) -> Self:
        if (self.bbox is None) == (self.geojson is None):
            raise ValueError("bbox is missing, or geojson in its place; give one of the two")
        return self

    def job(self, base: Path) -> Job:
        """The job of this region, its paths resolved against ``base``, the YAML's folder.

        Raises ValueError where grid, method or rules cannot be (the message names the cure).
        """
        from pipeline.job import AUTO, CANDIDATES, Job, Method, PairRules, Source

        base = base.resolve()

        def source(asked: SourceConfig) -> Source:
            return Source(
                catalogs=tuple(_catalog(name, base) for name in asked.catalog or self.catalog),
                collections=asked.collection,
            )

        place = self._place(base)
        default = self.checkpoint == "default"
        among = CANDIDATES if self.method == (AUTO,) else self.method[1:] and self.method
        return Job(
            name=self.name,
            grid=self._grid(place.bbox),
            polygons=place.polygons,
            start=self.start,
            end=self.end,
            fine=source(self.fine),
            coarse=source(self.coarse),
            rules=PairRules(**self.pairs.model_dump()),
            method=Method(
                name=AUTO if among else self.method[0],
                among=among,
                checkpoint="default" if default else str(base / self.checkpoint),
                steps=self.steps,
                seed=self.seed,
                samples=self.samples,
            ),
            skip=self.skip,
            coarse_fill_days=self.coarse_fill_days,
            loader=self.loader,
            snow=self.snow,
            water=self.water,
            brdf=self.brdf,
            calibrate=self.calibrate,
            coregister=self.coregister,
            flicker=self.flicker,
            validation=self.validation,
            institution=self.institution,
            license=self.license,
            cube=base / (self.cube or f"{self.name}.zarr"),
        )

    def _place(self, base: Path) -> Place:
        from catalogs import CatalogError, Place, place_of

        if self.bbox is not None:
            return Place(bbox=self.bbox)
        if isinstance(self.geojson, dict):
            return place_of(self.geojson)
        path = base / str(self.geojson)
        try:
            return place_of(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise RegionError(f"geojson: there is no file {path}") from error
        except CatalogError as error:
            raise RegionError(f"geojson: {path}: {error}") from error
        except (OSError, ValueError) as error:
            raise RegionError(f"geojson: {path} is no GeoJSON: {error}") from error

    def _grid(self, bbox: BBox) -> Grid:
        from pipeline.grid import Grid

        if self.grid.bounds_m is not None:
            return Grid.from_bounds(
                self.grid.bounds_m,
                crs=self.grid.crs,
                resolution_m=self.grid.resolution_m,
                ratio=self.grid.ratio,
                tile=self.grid.tile_px,
                anchor_m=self.grid.anchor_m,
            )
        return Grid.from_bbox(
            bbox,
            crs=self.grid.crs,
            resolution_m=self.grid.resolution_m,
            ratio=self.grid.ratio,
            tile=self.grid.tile_px,
            anchor_m=self.grid.anchor_m,
        )


def read_region(path: Path) -> RegionConfig:
    """Read and check a region file.  Raises RegionError with one message for all its faults."""
    content = read_yaml(
        path,
        RegionError,
        f"there is no region file {path}; `daily30 catalog FOLDER` writes one for your own "
        "images, and flows/regions/ holds an example",
    )
    try:
        return RegionConfig.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(fault_text(fault, _keys_of) for fault in error.errors())
        raise RegionError(f"{path}: {faults}") from error


def region_job(path: Path) -> Job:
    """The job of a region file.  Raises RegionError, or ValueError of the grid or the method."""
    return read_region(path).job(path.parent)


def _catalog(name: str, base: Path) -> str:
    """A provider or URL as it is, a path from the region file's folder."""
    from catalogs import is_provider

    plain = is_provider(name) or name.startswith(("http://", "https://"))
    return name if plain else str(base / name)


def _keys_of(section: Sequence[str]) -> list[str]:
    return list(_SECTIONS[".".join(section)].model_fields)


_SECTIONS: dict[str, type[BaseModel]] = {
    "": RegionConfig,
    "fine": SourceConfig,
    "coarse": SourceConfig,
    "grid": GridConfig,
    "pairs": PairsConfig,
}
