"""Which address asks for what; no secret goes to any other."""

import pytest

from catalogs.access import ACCESS, access_of

PC = "https://landsateuwest.blob.core.windows.net/landsat-c2/x/LC08_SR_B2.TIF"
LPDAAC = "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/MOD09GA.061/x.hdf"


@pytest.mark.parametrize(
    ("href", "how"),
    [
        (PC, "sas"),
        (PC.upper().replace("HTTPS", "https"), "sas"),
        (LPDAAC, "bearer"),
        ("https://ladsweb.modaps.eosdis.nasa.gov/archive/x.hdf", "bearer"),
        ("https://user:word@data.lpdaac.earthdatacloud.nasa.gov:443/x.hdf", "bearer"),
        ("s3://usgs-landsat/collection02/x.TIF", "requester-pays"),
        ("https://landsatlook.usgs.gov/data/x.TIF", "login"),
    ],
)
def test_an_address_tells_what_it_asks_for(href: str, how: str) -> None:
    access = access_of(href)
    assert access is not None
    assert access.how == how


@pytest.mark.parametrize(
    "href",
    [
        "/data/x.tif",
        "relative/x.tif",
        "file:///data/x.tif",
        "https://example.com/x.tif",
        "s3://another-bucket/x.tif",
        f"{PC}?st=1&se=2&sp=rl&sig=abc",  # signed already
        "https://ai4edatasetspublicassets.blob.core.windows.net/assets/x.png",
        # Not these hosts, however much they look like them.
        "https://evil.com/data.lpdaac.earthdatacloud.nasa.gov/x.hdf",
        "https://data.lpdaac.earthdatacloud.nasa.gov@evil.com/x.hdf",
        "https://earthdatacloud.nasa.gov.evil.com/x.hdf",
        "https://evil-earthdatacloud.nasa.gov/x.hdf",
        "https://evil.com/?x=.blob.core.windows.net",
        # Not in the clear.
        LPDAAC.replace("https", "http"),
    ],
)
def test_every_other_address_is_read_as_it_is(href: str) -> None:
    assert access_of(href) is None


@pytest.mark.parametrize("access", ACCESS, ids=lambda access: access.name)
def test_every_refusal_has_a_cure_that_names_what_to_set(access) -> None:
    assert access.cure
    if access.how in ("bearer", "requester-pays"):
        assert all(name in access.cure for name in access.env)
