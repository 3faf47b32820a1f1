"""VIIRS, which goes on where MODIS ends: daily 09GA and NBAR 43IA4, 43MA4, version 2, HDF5.

Same tiles as MODIS.  Red, nir08 and swir16 are I bands of 500 m; blue, green and swir22 M bands of
1 km.  Sources: Earth Engine's tables of bits, the DMR of VNP09 v002, stactools-viirs; that VNP43
version 2 has the numbers of version 1 is assumed, and no file of either was at hand.
"""

from collections.abc import Mapping

from catalogs.modis import PIXEL_M, SINUSOIDAL
from catalogs.spec import Band, CollectionSpec, Flag

ONE_KM = 2 * PIXEL_M

FILE = "h5"
"""The key of the one file after ``normalise``."""

_500M = "HDFEOS/GRIDS/VIIRS_Grid_500m_2D/Data Fields/"
_1KM = "HDFEOS/GRIDS/VIIRS_Grid_1km_2D/Data Fields/"
_NBAR = "HDFEOS/GRIDS/VIIRS_Grid_BRDF/Data Fields/"

CHANNELS = {
    "blue": "M3",
    "green": "M4",
    "red": "I1",
    "nir08": "I2",
    "swir16": "I3",
    "swir22": "M11",
}

BAD = {
    # Word and bit that mark the surface reflectance of a band as bad.
    "blue": ("qf5", 4),
    "green": ("qf5", 5),
    "red": ("qf6", 3),
    "nir08": ("qf6", 4),
    "swir16": ("qf6", 5),
    "swir22": ("qf6", 2),
}


def _reflectance(channel: str) -> Band:
    fine = channel.startswith("I")
    return Band(
        asset=FILE,
        layer=f"{_500M if fine else _1KM}SurfReflect_{channel}_1",
        resolution_m=None if fine else ONE_KM,
        scale=1e-4,
        nodata=-28672,
        valid=(-100, 16000),
    )


def _angle(name: str) -> Band:
    return Band(asset=FILE, layer=f"{_1KM}{name}_1", resolution_m=ONE_KM, scale=0.01, nodata=-32767)


def _daily(short: str) -> CollectionSpec:
    return CollectionSpec(
        name=f"{short}_002",
        aliases=(f"{short}.v002", f"{short.lower()}-002"),
        ids=(f"{short}.",),
        role="coarse",
        container="hdf5",
        resolution_m=PIXEL_M,
        bands={name: _reflectance(channel) for name, channel in CHANNELS.items()},
        qa={
            # Their fill, 255, reads as confidently cloudy, which is rejected as well.
            f"qf{number}": Band(
                asset=FILE,
                layer=f"{_1KM}SurfReflect_QF{number}_1",
                resolution_m=ONE_KM,
                dtype="uint8",
            )
            for number in (1, 2, 5, 6, 7)
        },
        angles={
            "view_zenith": _angle("SensorZenith"),
            "sun_zenith": _angle("SolarZenith"),
            "view_azimuth": _angle("SensorAzimuth"),
            "sun_azimuth": _angle("SolarAzimuth"),
        },
        flags={
            "cloud": (Flag(asset="qf1", shift=2, width=2, values=(2, 3)),),  # probably, surely
            "night": (Flag(asset="qf1", shift=4),),
            "shadow": (Flag(asset="qf2", shift=3),),
            "cirrus": (Flag(asset="qf7", shift=4),),
            "snow": (Flag(asset="qf2", shift=5), Flag(asset="qf7", shift=0)),
            "water": (Flag(asset="qf2", shift=0, width=3, values=(2, 3)),),  # inland, sea
            "high_aerosol": (Flag(asset="qf7", shift=2, width=2, values=(3,)),),
            "low_quality": (Flag(asset="qf1", shift=0, width=2, values=(0,)),),  # poor cloud mask
        },
        band_reject={name: (Flag(asset=word, shift=bit),) for name, (word, bit) in BAD.items()},
        reject=("cloud", "night", "shadow", "cirrus"),
        reject_if_asked=("snow", "water"),
        crs=SINUSOIDAL,
    )


VNP09GA = _daily("VNP09GA")  # Suomi NPP
VJ109GA = _daily("VJ109GA")  # NOAA-20
VJ209GA = _daily("VJ209GA")  # NOAA-21


def _nbar(short: str, resolution_m: float, channels: Mapping[str, str]) -> CollectionSpec:
    return CollectionSpec(
        name=f"{short}_002",
        aliases=(f"{short}.v002", f"{short.lower()}-002"),
        ids=(f"{short}.",),
        role="coarse",
        container="hdf5",
        nbar=True,
        days_ahead=8,  # as MCD43A4, whose heritage it is
        resolution_m=resolution_m,
        bands={
            name: Band(
                asset=FILE,
                layer=f"{_NBAR}Nadir_Reflectance_{channel}",
                scale=1e-4,
                nodata=32767,
                valid=(0, 32766),
            )
            for name, channel in channels.items()
        },
        qa={
            f"quality_{channel}": Band(
                asset=FILE,
                layer=f"{_NBAR}BRDF_Albedo_Band_Mandatory_Quality_{channel}",
                dtype="uint8",
                nodata=255,
            )
            for channel in channels.values()
        },
        # 0 full inversion, 1 magnitude inversion (poorer), 255 fill; as MCD43A4.
        flags={
            "low_quality": tuple(
                Flag(asset=f"quality_{channel}", shift=0, width=8, values=(1,))
                for channel in channels.values()
            )
        },
        band_reject={
            name: (Flag(asset=f"quality_{channel}", shift=0, width=8, values=tuple(range(2, 256))),)
            for name, channel in channels.items()
        },
        crs=SINUSOIDAL,
    )


VNP43IA4 = _nbar("VNP43IA4", PIXEL_M, {"red": "I1", "nir08": "I2", "swir16": "I3"})
VNP43MA4 = _nbar(
    "VNP43MA4",
    ONE_KM,
    {"blue": "M3", "green": "M4", "red": "M5", "nir08": "M7", "swir16": "M10", "swir22": "M11"},
)
