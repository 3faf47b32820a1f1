"""The public catalogues by name, and where a source's address leads.

Sources: shared/design/catalogs.md; landing pages and answers in shared/data/stac-json.  What the
files themselves ask of a reader is told by their addresses: ``catalogs.access``.
"""

from dataclasses import dataclass

from catalogs.access import ACCESS
from catalogs.products import forms
from catalogs.spec import CatalogError, CollectionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A STAC API that many use."""

    name: str
    title: str
    url: str

    collections: tuple[str, ...]
    """The ids there of collections that we have a table of."""

    access: str
    """Name in ``access.ACCESS`` of what its files ask for."""

    page: int = 100
    """Items a page that it answers in time."""

    def holds(self, spec: CollectionSpec) -> tuple[str, ...]:
        """The ids there under which a table's items are found, () none."""
        return tuple(name for name in self.collections if spec in forms(name))


PROVIDERS = (
    Provider(
        name="planetary-computer",
        title="Microsoft Planetary Computer",
        url="https://planetarycomputer.microsoft.com/api/stac/v1",
        # No 09GA, no VIIRS of version 2; MODIS COGs since 2021, HLS since 2020.
        collections=(
            "landsat-c2-l2",
            "hls2-l30",
            "hls2-s30",
            "modis-43A4-061",
            "modis-09A1-061",
            "modis-09Q1-061",
        ),
        access="Planetary Computer",
    ),
    Provider(
        name="earth-search",
        title="Earth Search by Element 84",
        url="https://earth-search.aws.element84.com/v1",
        collections=("landsat-c2-l2",),
        access="USGS Landsat on AWS",
    ),
    Provider(
        name="lpcloud",
        title="NASA LP DAAC by CMR-STAC",
        url="https://cmr.earthdata.nasa.gov/stac/LPCLOUD",
        collections=(
            "MOD09GA_061",
            "MYD09GA_061",
            "MOD09GQ_061",
            "MYD09GQ_061",
            "MOD09A1_061",
            "MYD09A1_061",
            "MOD09Q1_061",
            "MYD09Q1_061",
            "MCD43A4_061",
            "HLSL30_2.0",
            "HLSS30_2.0",
            "VNP09GA_002",
            "VJ109GA_002",
            "VJ209GA_002",
            "VNP43IA4_002",
            "VNP43MA4_002",
        ),
        access="NASA Earthdata",
    ),
    Provider(
        name="usgs",
        title="USGS LandsatLook",
        url="https://landsatlook.usgs.gov/stac-server",
        collections=("landsat-c2l2-sr",),
        access="USGS Landsat on AWS",  # by the alternate addresses; its own lead to a login page
    ),
)

assert {provider.access for provider in PROVIDERS} <= {access.name for access in ACCESS}


def provider_of(catalog: str) -> Provider | None:
    """The provider of a name or URL; None for any other catalogue."""
    for provider in PROVIDERS:
        if catalog == provider.name or catalog.rstrip("/") == provider.url:
            return provider
    return None


def is_provider(catalog: str) -> bool:
    """Whether a catalogue is a provider by its name."""
    return any(catalog == provider.name for provider in PROVIDERS)


def address(catalog: str) -> str:
    """The address of a catalogue: a provider's by its name, any other as it is.

    CatalogError for what is neither a provider nor looks like a path or a URL.
    """
    if provider := provider_of(catalog):
        return provider.url
    if "/" not in catalog and "\\" not in catalog and not catalog.endswith(".json"):
        names = ", ".join(provider.name for provider in PROVIDERS)
        raise CatalogError(
            f"there is no provider {catalog!r}; known are {names}; else give the URL of a STAC "
            f"API or the path of a catalog.json"
        )
    return catalog
