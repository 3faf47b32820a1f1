"""Where the data are and what their numbers mean: items, and tables of facts about them."""

from catalogs.days import nominal_day
from catalogs.items import (
    check_items,
    fingerprint,
    freeze,
    local_path,
    native_crs,
    needed,
    platform_of,
    redact,
    thaw,
)
from catalogs.search import find, search, spec_for
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
    "Band",
    "CatalogError",
    "CollectionSpec",
    "Flag",
    "Role",
    "by_name",
    "check_items",
    "common_bands",
    "find",
    "fingerprint",
    "freeze",
    "local_path",
    "native_crs",
    "needed",
    "nominal_day",
    "platform_of",
    "redact",
    "search",
    "spec_for",
    "thaw",
]
