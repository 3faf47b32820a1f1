"""Daily MODIS surface reflectance: MOD09GA, MYD09GA (true day) and MCD43A4 (NBAR).

Sources: HDF attributes of MOD09GA.A2007268, the MOD09 user guide (C6.1), stactools-modis.
"""

from catalogs.spec import Band, CollectionSpec, Flag

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
"""MODIS's sphere.  The WGS 84 ellipsoid of a widely copied workaround is 17 km off at 34 S."""

NUMBERS = {"blue": 3, "green": 4, "red": 1, "nir08": 2, "swir16": 6, "swir22": 7}
"""MODIS band number of each common name; band 5 (1.24 um) has no Landsat counterpart."""

# State bits 8-9 count small, average, high cirrus: from average on the pixel is not clear.
# Bit 13 (adjacent to cloud) is left alone: at 1 km it would reject most of a broken-cloud day.
_STATE_FLAGS = {
    "cloud": (
        Flag(asset="state_1km", shift=0, width=2, values=(1, 2)),  # cloudy, mixed
        Flag(asset="state_1km", shift=10),  # internal cloud algorithm
    ),
    "shadow": (Flag(asset="state_1km", shift=2),),
    "cirrus": (Flag(asset="state_1km", shift=8, width=2, values=(2, 3)),),
    "snow": (Flag(asset="state_1km", shift=12), Flag(asset="state_1km", shift=15)),
    # All of the land/water classes but land (1) and coast (2).
    "water": (Flag(asset="state_1km", shift=3, width=3, values=(0, 3, 4, 5, 6, 7)),),
    "high_aerosol": (Flag(asset="state_1km", shift=6, width=2, values=(3,)),),
}


def _quality(name: str, values: tuple[int, ...]) -> Flag:
    """Some of the 4-bit codes of a band in the QC word."""
    return Flag(asset="qc_500m", shift=2 + 4 * (NUMBERS[name] - 1), width=4, values=values)


def _daily(name: str, aliases: tuple[str, ...], names: tuple[str, ...]) -> CollectionSpec:
    return CollectionSpec(
        name=name,
        aliases=aliases,
        role="coarse",
        resolution_m=463.31271653,
        bands={
            band: Band(
                asset=f"sur_refl_b{NUMBERS[band]:02d}",
                scale=1e-4,
                nodata=-28672,
                valid=(-100, 16000),
            )
            for band in names
        },
        qa={
            # On the 1 km grid: each word covers exactly 2 x 2 of the 500 m pixels.
            "state_1km": Band(asset="state_1km", dtype="uint16", nodata=65535),
            # Its fill, 787410671, says "not produced" in the bits below.
            "qc_500m": Band(asset="qc_500m", dtype="uint32", nodata=787410671),
        },
        flags={
            "fill": (
                Flag(asset="state_1km", shift=0, width=16, values=(65535,)),
                # MODLAND 2 and 3: not produced, for clouds or another reason.
                Flag(asset="qc_500m", shift=0, width=2, values=(2, 3)),
            ),
            **_STATE_FLAGS,
            # 7 noisy, 8 dead detector, 10 low sun, 12 constant for climatology, 13 clipped.
            "low_quality": tuple(_quality(band, (7, 8, 10, 12, 13)) for band in names),
        },
        # 9 sun below 4 degrees, 11 input missing, 14 faulty L1B, 15 not processed.
        band_reject={band: (_quality(band, (9, 11, 14, 15)),) for band in names},
        reject=("fill", "cloud", "shadow", "cirrus"),
        reject_if_asked=("snow", "water"),
        crs=SINUSOIDAL,
    )


MOD09GA = _daily(
    "modis-09ga-061",
    ("modis-09GA-061", "MOD09GA_061", "MOD09GA.v061"),
    tuple(NUMBERS),
)

# Most of Aqua's band 6 detectors are dead, so swir16 comes from Terra alone.
MYD09GA = _daily(
    "myd09ga-061",
    ("MYD09GA_061", "MYD09GA.v061"),
    tuple(name for name in NUMBERS if name != "swir16"),
)


def _inversion(name: str) -> str:
    return f"BRDF_Albedo_Band_Mandatory_Quality_Band{NUMBERS[name]}"


MCD43A4 = CollectionSpec(
    name="modis-43A4-061",  # Planetary Computer
    aliases=("MCD43A4_061", "MCD43A4.v061"),
    role="coarse",
    nbar=True,
    resolution_m=463.31271653,
    bands={
        name: Band(
            asset=f"Nadir_Reflectance_Band{number}", scale=1e-4, nodata=32767, valid=(0, 32766)
        )
        for name, number in NUMBERS.items()
    },
    # 0 full inversion, 1 magnitude inversion (poorer), 255 fill.
    qa={
        _inversion(name): Band(asset=_inversion(name), dtype="uint8", nodata=255)
        for name in NUMBERS
    },
    flags={
        "low_quality": tuple(
            Flag(asset=_inversion(name), shift=0, width=8, values=(1,)) for name in NUMBERS
        )
    },
    band_reject={
        name: (Flag(asset=_inversion(name), shift=0, width=8, values=tuple(range(2, 256))),)
        for name in NUMBERS
    },
    crs=SINUSOIDAL,
)
