"""Eight-day MODIS composites: 09A1 (500 m) and 09Q1 (250 m), of Terra and of Aqua.

The best observation of eight days at each pixel; the item stands for the first of them.  Sources:
MOD09 user guide (C6.1), stactools-modis, items of the Planetary Computer, whose collections hold
both craft.
"""

from catalogs.modis import (
    AQUA,
    NUMBERS,
    PIXEL_M,
    POOR,
    SINUSOIDAL,
    UNUSABLE,
    angle,
    as_hdf4,
    quality,
    reflectance,
    state_flags,
)
from catalogs.spec import Band, CollectionSpec, Flag


def _composite(short: str, theirs: str, names: tuple[str, ...]) -> CollectionSpec:
    """``short`` is NASA's name, ``theirs`` the Planetary Computer's collection of both craft."""
    fine = short.endswith("Q1")
    metres, first = ("250m", 4) if fine else ("500m", 2)
    state, qc = f"sur_refl_state_{metres}", f"sur_refl_qc_{metres}"
    return CollectionSpec(
        name=f"{short.lower()}-061",
        aliases=(theirs, f"{short}_061", f"{short}.v061"),
        ids=(f"{short}.",),
        role="coarse",
        days_ahead=7,  # of its eight days the first is its own
        resolution_m=PIXEL_M / 2 if fine else PIXEL_M,
        bands={band: reflectance(f"sur_refl_b{NUMBERS[band]:02d}") for band in names},
        qa={
            state: Band(asset=state, dtype="uint16", nodata=65535),
            qc: Band(asset=qc, dtype="uint16" if fine else "uint32"),
        },
        angles={}
        if fine
        else {
            "view_zenith": angle("sur_refl_vzen"),
            "sun_zenith": angle("sur_refl_szen"),
            "relative_azimuth": angle("sur_refl_raz"),
        },
        flags={
            "fill": (
                Flag(asset=state, shift=0, width=16, values=(65535,)),
                Flag(asset=qc, shift=0, width=2, values=(2, 3)),
            ),
            **state_flags(state),
            "low_quality": tuple(quality(band, POOR, word=qc, first=first) for band in names),
        },
        band_reject={band: (quality(band, UNUSABLE, word=qc, first=first),) for band in names},
        reject=("fill", "cloud", "shadow", "cirrus"),
        reject_if_asked=("snow", "water"),
        crs=SINUSOIDAL,
    )


MOD09A1 = _composite("MOD09A1", "modis-09A1-061", tuple(NUMBERS))
MYD09A1 = _composite("MYD09A1", "modis-09A1-061", AQUA)
MOD09Q1 = _composite("MOD09Q1", "modis-09Q1-061", ("red", "nir08"))
MYD09Q1 = _composite("MYD09Q1", "modis-09Q1-061", ("red", "nir08"))

# Of LP DAAC, whose data sets have the names of the assets.
MOD09A1_HDF = as_hdf4(MOD09A1, "MOD09A1_061", {})
MYD09A1_HDF = as_hdf4(MYD09A1, "MYD09A1_061", {})
MOD09Q1_HDF = as_hdf4(MOD09Q1, "MOD09Q1_061", {})
MYD09Q1_HDF = as_hdf4(MYD09Q1, "MYD09Q1_061", {})
