"""Facts about data collections as tables: which asset holds a band and what its numbers mean."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
"""STAC common names, in the order of every cube."""

Role = Literal["fine", "coarse"]

Container = Literal["raster", "hdf4", "hdf5"]
"""How an asset is opened: by GDAL as it is, or as a file of named data sets."""


class CatalogError(ValueError):
    """A catalogue, collection or item that cannot be used as it is; the message has the cure.

    ``again``: whether the same may work in a minute, as a server was busy or not to be reached.
    """

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One layer of an asset.  reflectance = scale * DN + offset."""

    asset: str
    index: int = 1
    """Band of the file, from 1."""

    layer: str | None = None
    """Data set inside the asset, where the container holds several."""

    resolution_m: float | None = None
    """Side of its pixels, where it is not the collection's."""

    dtype: str = "int16"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    """DN where nothing was measured; NaN for floats."""

    valid: tuple[float, float] | None = None
    """Lowest and highest DN that is a measurement, both included."""

    required: bool = True
    """Whether an item without this asset is unusable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True where ``(word >> shift) & (2**width - 1)`` is one of ``values``."""

    asset: str
    """Key of the QA word in ``CollectionSpec.qa``."""

    shift: int
    width: int = 1
    values: tuple[int, ...] = (1,)

    platforms: tuple[str, ...] = ()
    """Craft whose words mean it (``items.platform_of``), () all; an unknown craft is taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an asset is called by other providers, or was in the past."""

    name: str
    """As in ``SR_B4.TIF``, without the ending."""

    asset: str
    platforms: tuple[str, ...] = ()
    """Craft for which it holds (``SR_B4`` is red on OLI and nir08 on TM), () all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSpec:
    """All the pipeline knows about a collection."""

    name: str
    aliases: tuple[str, ...] = ()
    """The same product under other providers' ids."""

    ids: tuple[str, ...] = ()
    """How the ids of its items start, () any: a provider's collection may hold Terra and Aqua."""

    keys: tuple[Key, ...] = ()
    """Other names of its assets."""

    role: Role | None = None
    """None: a user's own collection, either role."""

    container: Container = "raster"

    nbar: bool = False
    """Whether reflectance is adjusted to a nadir view: such images do not mix with others."""

    days_ahead: int = 0
    """Days after its own that an image is made from too: until then nobody has it."""

    resolution_m: float
    bands: Mapping[str, Band]
    """Reflectance by common name."""

    qa: Mapping[str, Band] = field(default_factory=dict)
    """QA words.  They are read by nearest, never interpolated, never fused."""

    angles: Mapping[str, Band] = field(default_factory=dict)
    """``view_zenith``, ``sun_zenith``, ``view_azimuth``, ``sun_azimuth``, ``relative_azimuth``:
    degrees = scale * DN + offset.  Items may lack them."""

    flags: Mapping[str, tuple[Flag, ...]] = field(default_factory=dict)
    """What a QA word says of a pixel: a flag is up where any of its entries is.

    Where a word is its nodata it says only "fill", whatever its bits: Fmask's 255 has all up."""

    band_reject: Mapping[str, tuple[Flag, ...]] = field(default_factory=dict)
    """Flags that make one band of a pixel unusable, by band."""

    reject: tuple[str, ...] = ()
    """Flags that make a pixel unclear."""

    reject_if_asked: tuple[str, ...] = ()
    """Flags that make a pixel unclear when the region says so (``snow: drop``, ``water: drop``)."""

    dilate_m: Mapping[str, float] = field(default_factory=dict)
    """Metres by which a rejected flag is grown."""

    accept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Item properties and their usable values; an item without the property is kept."""

    clouds_from: str | None = None
    """Product whose QA words tell the clouds of this one, which has no cloud flags of its own."""

    crs: str | None = None
    """CRS of items whose own CRS fields are broken."""

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON values, to be frozen with the items of a run."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The table written by ``to_dict``."""

        def band(entry: Mapping[str, Any]) -> Band:
            valid = entry["valid"]
            return Band(**{**entry, "valid": valid and (valid[0], valid[1])})

        def flag(entry: Mapping[str, Any]) -> Flag:
            lists = {key: tuple(entry[key]) for key in ("values", "platforms")}
            return Flag(**{**entry, **lists})

        def flags(entries: Mapping[str, Any]) -> dict[str, tuple[Flag, ...]]:
            return {name: tuple(map(flag, some)) for name, some in entries.items()}

        return cls(
            **{
                **values,
                "aliases": tuple(values["aliases"]),
                "ids": tuple(values["ids"]),
                "keys": tuple(
                    Key(**{**key, "platforms": tuple(key["platforms"])}) for key in values["keys"]
                ),
                "bands": {name: band(entry) for name, entry in values["bands"].items()},
                "qa": {name: band(entry) for name, entry in values["qa"].items()},
                "angles": {name: band(entry) for name, entry in values["angles"].items()},
                "flags": flags(values["flags"]),
                "band_reject": flags(values["band_reject"]),
                "reject": tuple(values["reject"]),
                "reject_if_asked": tuple(values["reject_if_asked"]),
                "accept": {name: tuple(some) for name, some in values["accept"].items()},
            }
        )


def by_name(*specs: CollectionSpec) -> dict[str, CollectionSpec]:
    """The tables by the name that their items carry as ``collection``.

    CatalogError where they do not belong together, or have no clouds to be masked by.
    """
    for spec in specs:
        if spec.clouds_from:
            raise CatalogError(
                f"{spec.name} carries no cloud flags, they are those of {spec.clouds_from}, and "
                f"daily30 does not bring the two together; name {spec.clouds_from} in its place"
            )
    if len({spec.nbar for spec in specs}) > 1:
        kinds = ", ".join(f"{one.name} ({'nadir' if one.nbar else 'as seen'})" for one in specs)
        raise CatalogError(
            f"{kinds} do not mix: some are adjusted to a nadir view and others are not, so the "
            f"same ground would jump from image to image; name only one kind"
        )
    return {spec.name: spec for spec in specs}


def common_bands(
    fine: Iterable[CollectionSpec], coarse: Iterable[CollectionSpec]
) -> tuple[str, ...]:
    """The bands of both sides, in the order of ``BANDS``.

    A fine image needs every band, so each of its collections must have it.  A coarse day is put
    together from several sensors, so one of them is enough (Aqua lacks swir16, Terra has it).
    """
    fine, coarse = tuple(fine), tuple(coarse)
    both = tuple(
        name
        for name in BANDS
        if all(name in spec.bands for spec in fine) and any(name in spec.bands for spec in coarse)
    )
    if not both:
        told = [f"{spec.name} ({', '.join(spec.bands)})" for spec in (*fine, *coarse)]
        raise CatalogError(
            f"{' and '.join(told)} have no band in common; name the bands of your own data by "
            f"{', '.join(BANDS)}"
        )
    return both
