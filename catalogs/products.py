"""All products with a table, and what leads from any of their names to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from catalogs.hls import HLS_L30, HLS_S30
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import (
    MCD43A4,
    MCD43A4_HDF,
    MOD09GA,
    MOD09GA_HDF,
    MOD09GQ,
    MYD09GA,
    MYD09GA_HDF,
    MYD09GQ,
)
from catalogs.modis_8day import (
    MOD09A1,
    MOD09A1_HDF,
    MOD09Q1,
    MOD09Q1_HDF,
    MYD09A1,
    MYD09A1_HDF,
    MYD09Q1,
    MYD09Q1_HDF,
)
from catalogs.spec import CollectionSpec
from catalogs.viirs import VJ109GA, VJ209GA, VNP09GA, VNP43IA4, VNP43MA4


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is the same whoever distributes it."""

    name: str
    sensor: str

    forms: tuple[CollectionSpec, ...]
    """Its tables, the preferred first: COGs of single bands, or one HDF file of all."""

    since: date
    """First day."""

    every_days: int = 1
    """Days between two images of a place by one craft."""

    latency_days: int
    """Days until nearly all images are in the catalogues; for people, nothing is computed by it.

    Rounded up from USGS's (real-time scenes become Tier 1 within 16 days), HLS's (3) and LP DAAC's
    notices; a composite has the first of its days for its own, MCD43A4 the middle of its 16.
    """

    source: str
    """Where the numbers come from."""


_MOD09 = "MOD09 user guide C6.1, HDF attributes, stactools-modis"
_VIIRS = "Earth Engine bit tables, DMR of VNP09 v002"

PRODUCTS = (
    Product(
        name="Landsat C2 L2",
        sensor="TM, ETM+, OLI (Landsat 4-9)",
        forms=(LANDSAT_C2_L2,),
        since=date(1982, 8, 22),
        every_days=16,
        latency_days=20,
        source="USGS Landsat 4-9 Collection 2 Level 2 guides, stactools-landsat bit tables",
    ),
    Product(
        name="HLSL30",
        sensor="OLI (Landsat 8-9), harmonised",
        forms=(HLS_L30,),
        since=date(2013, 4, 11),
        every_days=16,
        latency_days=5,
        source="HLS-Data-Resources, tags of real files, Planetary Computer templates",
    ),
    Product(
        name="HLSS30",
        sensor="MSI (Sentinel-2), harmonised",
        forms=(HLS_S30,),
        since=date(2015, 11, 28),
        every_days=10,
        latency_days=5,
        source="HLS-Data-Resources, tags of real files, Planetary Computer templates",
    ),
    Product(
        name="MOD09GA",
        sensor="MODIS (Terra)",
        forms=(MOD09GA, MOD09GA_HDF),
        since=date(2000, 2, 24),
        latency_days=4,
        source=_MOD09,
    ),
    Product(
        name="MYD09GA",
        sensor="MODIS (Aqua)",
        forms=(MYD09GA, MYD09GA_HDF),
        since=date(2002, 7, 4),
        latency_days=4,
        source=_MOD09,
    ),
    Product(
        name="MOD09GQ",
        sensor="MODIS (Terra)",
        forms=(MOD09GQ,),
        since=date(2000, 2, 24),
        latency_days=4,
        source=f"{_MOD09}; fill of QC_250m from memory",
    ),
    Product(
        name="MYD09GQ",
        sensor="MODIS (Aqua)",
        forms=(MYD09GQ,),
        since=date(2002, 7, 4),
        latency_days=4,
        source=f"{_MOD09}; fill of QC_250m from memory",
    ),
    Product(
        name="MCD43A4",
        sensor="MODIS (Terra and Aqua), nadir",
        forms=(MCD43A4, MCD43A4_HDF),
        since=date(2000, 2, 24),
        latency_days=14,
        source="Earth Engine (valid range), DMR of MOD43B4 (fill), stactools-modis",
    ),
    Product(
        name="MOD09A1",
        sensor="MODIS (Terra)",
        forms=(MOD09A1, MOD09A1_HDF),
        since=date(2000, 2, 18),
        every_days=8,
        latency_days=14,
        source=_MOD09,
    ),
    Product(
        name="MYD09A1",
        sensor="MODIS (Aqua)",
        forms=(MYD09A1, MYD09A1_HDF),
        since=date(2002, 7, 4),
        every_days=8,
        latency_days=14,
        source=_MOD09,
    ),
    Product(
        name="MOD09Q1",
        sensor="MODIS (Terra)",
        forms=(MOD09Q1, MOD09Q1_HDF),
        since=date(2000, 2, 18),
        every_days=8,
        latency_days=14,
        source=_MOD09,
    ),
    Product(
        name="MYD09Q1",
        sensor="MODIS (Aqua)",
        forms=(MYD09Q1, MYD09Q1_HDF),
        since=date(2002, 7, 4),
        every_days=8,
        latency_days=14,
        source=_MOD09,
    ),
    Product(
        name="VNP09GA",
        sensor="VIIRS (Suomi NPP)",
        forms=(VNP09GA,),
        since=date(2012, 1, 19),
        latency_days=4,
        source=_VIIRS,
    ),
    Product(
        name="VJ109GA",
        sensor="VIIRS (NOAA-20)",
        forms=(VJ109GA,),
        since=date(2018, 1, 5),
        latency_days=4,
        source=_VIIRS,
    ),
    Product(
        name="VJ209GA",
        sensor="VIIRS (NOAA-21)",
        forms=(VJ209GA,),
        since=date(2023, 2, 10),
        latency_days=4,
        source=_VIIRS,
    ),
    Product(
        name="VNP43IA4",
        sensor="VIIRS (Suomi NPP), nadir",
        forms=(VNP43IA4,),
        since=date(2012, 1, 17),
        latency_days=14,
        source="stactools-viirs (v001; v002 assumed the same)",
    ),
    Product(
        name="VNP43MA4",
        sensor="VIIRS (Suomi NPP), nadir",
        forms=(VNP43MA4,),
        since=date(2012, 1, 17),
        latency_days=14,
        source="stactools-viirs (v001; v002 assumed the same)",
    ),
)


def forms(name: str) -> tuple[CollectionSpec, ...]:
    """The tables that go by a name: a product's, a collection's, or an alias; () for none.

    Several where it is one product as single bands and as a file of all, and where a provider
    keeps two craft in one collection (the Planetary Computer's ``modis-09A1-061``).
    """
    return _BY_NAME.get(name.casefold(), ())


def product_of(spec: CollectionSpec) -> Product | None:
    """The product of a table, None for a user's own collection."""
    return _PRODUCT.get(spec.name)


ENDED = {
    # Craft whose last images are taken: Landsat's missions page of USGS.
    "LT04": date(1993, 12, 14),
    "LT05": date(2013, 6, 5),
    "LE07": date(2024, 1, 19),
}
"""The last day of craft that take no images any more, by the product of their granules."""


def _names() -> Iterator[tuple[str, CollectionSpec]]:
    for product in PRODUCTS:
        for spec in product.forms:
            names = (product.name, spec.name, *spec.aliases)
            yield from ((name, spec) for name in {name.casefold() for name in names})


_BY_NAME: dict[str, tuple[CollectionSpec, ...]] = {}
for _name, _spec in _names():
    _BY_NAME[_name] = (*_BY_NAME.get(_name, ()), _spec)

_PRODUCT = {spec.name: product for product in PRODUCTS for spec in product.forms}
