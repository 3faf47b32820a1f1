"""Where the data are and what their numbers mean: items, and tables of facts about them."""

from catalogs.items import (
    check_items,
    fingerprint,
    freeze,
    local_path,
    native_crs,
    needed,
    nominal_day,
    redact,
    thaw,
)
from catalogs.search import search, spec_for
from catalogs.spec import BANDS, Band, CatalogError, CollectionSpec, Flag, Role, common_bands

__all__ = [
    "BANDS",
    "Band",
    "CatalogError",
    "CollectionSpec",
    "Flag",
    "Role",
    "check_items",
    "common_bands",
    "fingerprint",
    "freeze",
    "local_path",
    "native_crs",
    "needed",
    "nominal_day",
    "redact",
    "search",
    "spec_for",
    "thaw",
]
