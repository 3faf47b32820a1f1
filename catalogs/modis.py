"""Daily MODIS surface reflectance: MOD09GA, MYD09GA (true day), MOD09GQ (250 m), MCD43A4 (NBAR).

Sources: HDF attributes of MOD09GA.A2007268 and of the real A2008296, the MOD09 user guide (C6.1),
stactools-modis.
"""

from collections.abc import Mapping
from dataclasses import replace

from catalogs.spec import Band, CollectionSpec, Flag

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
"""MODIS's sphere.  The WGS 84 ellipsoid of a widely copied workaround is 17 km off at 34 S."""

PIXEL_M = 463.31271653
"""Side of the "500 m" pixels; those of "250 m" and "1 km" are half and twice of it."""

NUMBERS = {"blue": 3, "green": 4, "red": 1, "nir08": 2, "swir16": 6, "swir22": 7}
"""MODIS band number of each common name; band 5 (1.24 um) has no Landsat counterpart."""

AQUA = tuple(name for name in NUMBERS if name != "swir16")
"""Bands of Aqua: most detectors of its band 6 are dead."""


def state_flags(word: str) -> dict[str, tuple[Flag, ...]]:
    """What the state word says; the same bits in 09GA, 09A1 and 09Q1.

    Bits 8-9 count small, average, high cirrus: from average on the pixel is not clear.  Bit 13
    (adjacent to cloud) is left alone: at 1 km it would reject most of a broken-cloud day.
    """
    return {
        "cloud": (
            Flag(asset=word, shift=0, width=2, values=(1, 2)),  # cloudy, mixed
            Flag(asset=word, shift=10),  # internal cloud algorithm
        ),
        "shadow": (Flag(asset=word, shift=2),),
        "cirrus": (Flag(asset=word, shift=8, width=2, values=(2, 3)),),
        "snow": (Flag(asset=word, shift=12), Flag(asset=word, shift=15)),
        # All of the land/water classes but land (1) and coast (2).
        "water": (Flag(asset=word, shift=3, width=3, values=(0, 3, 4, 5, 6, 7)),),
        "high_aerosol": (Flag(asset=word, shift=6, width=2, values=(3,)),),
    }


def quality(name: str, values: tuple[int, ...], *, word: str = "qc_500m", first: int = 2) -> Flag:
    """Some of the 4-bit codes of a band in the QC word, whose band 1 starts at bit ``first``."""
    return Flag(asset=word, shift=first + 4 * (NUMBERS[name] - 1), width=4, values=values)


POOR = (7, 8, 10, 12, 13)
"""QC codes: noisy, dead detector, low sun, constant for climatology, clipped."""

UNUSABLE = (9, 11, 14, 15)
"""QC codes: sun below 4 degrees, input missing, faulty L1B, not processed."""


def reflectance(asset: str) -> Band:
    """A band of the 09 products.  The HDF's scale_factor, 10000, is to be divided by."""
    return Band(asset=asset, scale=1e-4, nodata=-28672, valid=(-100, 16000))


def angle(asset: str, resolution_m: float | None = None) -> Band:
    """An angle in hundredths of a degree."""
    return Band(asset=asset, resolution_m=resolution_m, scale=0.01, nodata=-32767, required=False)


def _daily(name: str, aliases: tuple[str, ...], ids: str, names: tuple[str, ...]) -> CollectionSpec:
    one_km = 2 * PIXEL_M
    return CollectionSpec(
        name=name,
        aliases=aliases,
        ids=(ids,),
        role="coarse",
        resolution_m=PIXEL_M,
        bands={band: reflectance(f"sur_refl_b{NUMBERS[band]:02d}") for band in names},
        qa={
            # On the 1 km grid: each word covers exactly 2 x 2 of the 500 m pixels.
            "state_1km": Band(asset="state_1km", dtype="uint16", nodata=65535, resolution_m=one_km),
            # Its fill, 787410671, says "not produced" in the bits below.
            "qc_500m": Band(asset="qc_500m", dtype="uint32", nodata=787410671),
        },
        angles={
            "view_zenith": angle("sensor_zenith", one_km),
            "sun_zenith": angle("solar_zenith", one_km),
            "view_azimuth": angle("sensor_azimuth", one_km),
            "sun_azimuth": angle("solar_azimuth", one_km),
        },
        flags={
            "fill": (
                Flag(asset="state_1km", shift=0, width=16, values=(65535,)),
                # MODLAND 2 and 3: not produced, for clouds or another reason.
                Flag(asset="qc_500m", shift=0, width=2, values=(2, 3)),
            ),
            **state_flags("state_1km"),
            "low_quality": tuple(quality(band, POOR) for band in names),
        },
        band_reject={band: (quality(band, UNUSABLE),) for band in names},
        reject=("fill", "cloud", "shadow", "cirrus"),
        reject_if_asked=("snow", "water"),
        crs=SINUSOIDAL,
    )


LAYERS = {
    # Data sets of the 09GA files; the suffix is the first (best) observation of the day.
    "state_1km": "state_1km_1",
    "qc_500m": "QC_500m_1",
    "sensor_zenith": "SensorZenith_1",
    "solar_zenith": "SolarZenith_1",
    "sensor_azimuth": "SensorAzimuth_1",
    "solar_azimuth": "SolarAzimuth_1",
    **{f"sur_refl_b{number:02d}": f"sur_refl_b{number:02d}_1" for number in NUMBERS.values()},
}


def as_hdf4(spec: CollectionSpec, name: str, layers: Mapping[str, str]) -> CollectionSpec:
    """The same product as LP DAAC gives it: one HDF4 file, the asset ``hdf``, of data sets.

    ``layers``: the data set of each asset of ``spec``; one that is not there has its own name.
    """

    def inside(bands: Mapping[str, Band]) -> dict[str, Band]:
        return {
            key: replace(band, asset="hdf", layer=layers.get(band.asset, band.asset), required=True)
            for key, band in bands.items()
        }

    return replace(
        spec,
        name=name,
        aliases=(spec.name, *(alias for alias in spec.aliases if alias != name)),
        container="hdf4",
        bands=inside(spec.bands),
        qa=inside(spec.qa),
        angles=inside(spec.angles),
    )


MOD09GA = _daily(
    "modis-09ga-061",
    ("modis-09GA-061", "MOD09GA_061", "MOD09GA.v061"),
    "MOD09GA.",
    tuple(NUMBERS),
)
MYD09GA = _daily("myd09ga-061", ("MYD09GA_061", "MYD09GA.v061"), "MYD09GA.", AQUA)

MOD09GA_HDF = as_hdf4(MOD09GA, "MOD09GA_061", LAYERS)
MYD09GA_HDF = as_hdf4(MYD09GA, "MYD09GA_061", LAYERS)


def _daily_250m(name: str, ids: str, clouds_from: str) -> CollectionSpec:
    """Red and near infrared; its cloud flags are deliberately not populated."""
    word = "qc_250m"
    own = ("red", "nir08")
    spec = CollectionSpec(
        name=name,
        aliases=(name.replace("_", ".v"),),
        ids=(ids,),
        role="coarse",
        resolution_m=PIXEL_M / 2,
        bands={band: reflectance(f"sur_refl_b{NUMBERS[band]:02d}") for band in own},
        qa={word: Band(asset=word, dtype="uint16", nodata=2995)},
        flags={
            "fill": (Flag(asset=word, shift=0, width=2, values=(2, 3)),),
            "low_quality": tuple(quality(band, POOR, word=word, first=4) for band in own),
        },
        band_reject={band: (quality(band, UNUSABLE, word=word, first=4),) for band in own},
        reject=("fill",),
        clouds_from=clouds_from,
        crs=SINUSOIDAL,
    )
    layers = {word: "QC_250m_1"} | {f"sur_refl_b{k:02d}": f"sur_refl_b{k:02d}_1" for k in (1, 2)}
    return replace(as_hdf4(spec, name, layers), aliases=spec.aliases)


MOD09GQ = _daily_250m("MOD09GQ_061", "MOD09GQ.", "MOD09GA")
MYD09GQ = _daily_250m("MYD09GQ_061", "MYD09GQ.", "MYD09GA")


def _inversion(name: str) -> str:
    return f"BRDF_Albedo_Band_Mandatory_Quality_Band{NUMBERS[name]}"


MCD43A4 = CollectionSpec(
    name="modis-43A4-061",  # Planetary Computer
    aliases=("MCD43A4_061", "MCD43A4.v061"),
    ids=("MCD43A4.",),
    role="coarse",
    nbar=True,
    days_ahead=8,  # its own day is the ninth of the 16 that are inverted (MCD43 user guide)
    resolution_m=PIXEL_M,
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

MCD43A4_HDF = as_hdf4(MCD43A4, "MCD43A4_061", {})
