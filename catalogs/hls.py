"""Harmonized Landsat Sentinel-2, version 2.0: 30 m NBAR on the MGRS tiles of Sentinel-2.

Sources: HLS-Data-Resources (bands, Fmask), tags of two real files (scale, nodata), the Planetary
Computer templates (keys).  Its numbers are adjusted to one view angle and band pass, so a cube is
made of HLS alone, never of HLS and plain Landsat.
"""

from collections.abc import Mapping

from catalogs.spec import Band, CollectionSpec, Flag


def _bit(*bits: int) -> tuple[Flag, ...]:
    return tuple(Flag(asset="fmask", shift=bit) for bit in bits)


def _hls(name: str, aliases: tuple[str, ...], ids: str, keys: Mapping[str, str]) -> CollectionSpec:
    return CollectionSpec(
        name=name,  # Planetary Computer
        aliases=aliases,  # LP DAAC, today and before 2023
        ids=(ids,),
        role="fine",
        resolution_m=30.0,
        bands={band: Band(asset=key, scale=1e-4, nodata=-9999) for band, key in keys.items()},
        qa={"fmask": Band(asset="Fmask", dtype="uint8", nodata=255)},
        # Bit 0 is reserved and unused; it is not cirrus, as often read.
        flags={
            "fill": (Flag(asset="fmask", shift=0, width=8, values=(255,)),),
            "cloud": _bit(1, 2),  # cloud, adjacent to cloud or shadow
            "shadow": _bit(3),
            "snow": _bit(4),
            "water": _bit(5),
            "high_aerosol": (Flag(asset="fmask", shift=6, width=2, values=(3,)),),
        },
        # No dilation of ours: "adjacent" is HLS's own.
        reject=("fill", "cloud", "shadow"),
        reject_if_asked=("snow", "water"),
    )


HLS_L30 = _hls(
    "hls2-l30",
    ("HLSL30_2.0", "HLSL30.v2.0"),
    "HLS.L30.",
    {
        "blue": "B02",
        "green": "B03",
        "red": "B04",
        "nir08": "B05",
        "swir16": "B06",
        "swir22": "B07",
    },
)

# B05 to B07 are red edge here; B08 is the broad near infrared, which the common name `nir` means.
HLS_S30 = _hls(
    "hls2-s30",
    ("HLSS30_2.0", "HLSS30.v2.0"),
    "HLS.S30.",
    {
        "blue": "B02",
        "green": "B03",
        "red": "B04",
        "nir08": "B8A",
        "swir16": "B11",
        "swir22": "B12",
    },
)
