"""What a server asks of who reads from it, by the asset's own address.

The address decides, not the provider that named it: Planetary Computer's items point at
``blob.core.windows.net`` whoever's catalogue repeats them.  So the frozen items need neither
signatures nor the name of their provider.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

How = Literal["sas", "bearer", "requester-pays", "login"]
"""A token in the query string, one in a header, the reader's own AWS account; or none of these: a
login page that no program passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the servers of some addresses ask for."""

    name: str
    how: How

    hosts: tuple[str, ...]
    """Shell patterns of what follows ``://`` up to the first slash: host, or S3 bucket."""

    schemes: tuple[str, ...] = ("https",)
    """Secrets go out encrypted or not at all."""

    env: tuple[str, ...] = ()
    """Environment variables that hold what is needed."""

    cure: str
    """What the user can do where the server still refuses."""


ACCESS = (
    # The hosts and the two names of the environment are those of the package planetary-computer
    # (sas.py, settings.py); tokens hold for about 45 minutes (pitfalls.md 9).
    Access(
        name="Planetary Computer",
        how="sas",
        hosts=("*.blob.core.windows.net",),
        env=("PC_SDK_SUBSCRIPTION_KEY", "PC_SDK_SAS_URL"),
        cure="its tokens are free, so try again later; PC_SDK_SUBSCRIPTION_KEY raises the limits",
    ),
    # LP DAAC's cloud archive and LAADS: https://www.earthdata.nasa.gov/engage/cloud-data, where
    # "Earthdata Login" is asked for; they take the token of urs.earthdata.nasa.gov as a bearer.
    Access(
        name="NASA Earthdata",
        how="bearer",
        hosts=(
            "*.earthdatacloud.nasa.gov",
            "*.earthdata.nasa.gov",
            "e4ftl01.cr.usgs.gov",
            "ladsweb.modaps.eosdis.nasa.gov",
        ),
        env=("EARTHDATA_TOKEN",),
        cure="set EARTHDATA_TOKEN to a token from https://urs.earthdata.nasa.gov (Generate Token)",
    ),
    # "usgs-landsat is a requester pays bucket in us-west-2": Earth Search's and LandsatLook's s3
    # addresses; without the header every read is refused (catalogs.md).
    Access(
        name="USGS Landsat on AWS",
        how="requester-pays",
        hosts=("usgs-landsat",),
        schemes=("s3",),
        env=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        cure="the reader pays there: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
        "AWS_PROFILE) to those of an AWS account",
    ),
    Access(
        name="USGS LandsatLook",
        how="login",
        hosts=("landsatlook.usgs.gov",),
        cure="it sends programs to a login page: take the item's s3:// address, or the same "
        "collection from planetary-computer",
    ),
)
"""Every other address is read as it is."""

# Public containers beside the others, of which no token is to be had (planetary_computer.sas).
_PUBLIC = ("ai4edatasetspublicassets.blob.core.windows.net",)

_SIGNED = re.compile(r"(^|&)(sig|x-amz-signature|signature)=", re.IGNORECASE)


def access_of(href: str) -> Access | None:
    """What reading ``href`` asks for; None for nothing, which holds for signed addresses too."""
    parts = urlsplit(href)
    host = parts.netloc.rpartition("@")[2].partition(":")[0].lower()
    if not host or host in _PUBLIC or _SIGNED.search(parts.query):
        return None
    for access in ACCESS:
        if any(fnmatchcase(host, pattern) for pattern in access.hosts):
            return access if parts.scheme.lower() in access.schemes else None
    return None
