"""Where the data are and what their numbers mean: items, and tables of facts about them."""

from catalogs.days import nominal_day
from catalogs.granule import granule
from catalogs.items import (
    check_items,
    difference,
    fingerprint,
    freeze,
    local_path,
    native_crs,
    needed,
    platform_of,
    redact,
    same_image,
    thaw,
)
from catalogs.place import BBox, Place, Polygon, place_of
from catalogs.products import ENDED, product_of
from catalogs.providers import is_provider
from catalogs.search import Found, find, search, spec_for
from catalogs.spec import (
    BANDS,
    Band,
    CatalogError,
    CollectionSpec,
    Flag,
    Role,
    by_name,
    common_bands,
)

__all__ = [
    "BANDS",
    "ENDED",
    "BBox",
    "Band",
    "CatalogError",
    "CollectionSpec",
    "Flag",
    "Found",
    "Place",
    "Polygon",
    "Role",
    "by_name",
    "check_items",
    "common_bands",
    "difference",
    "find",
    "fingerprint",
    "freeze",
    "granule",
    "is_provider",
    "local_path",
    "native_crs",
    "needed",
    "nominal_day",
    "place_of",
    "platform_of",
    "product_of",
    "redact",
    "same_image",
    "search",
    "spec_for",
    "thaw",
]
