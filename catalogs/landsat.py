"""Landsat 4-9 Collection 2 Level 2 surface reflectance."""

from catalogs.spec import Band, CollectionSpec, Flag


def _reflectance(asset: str) -> Band:
    # USGS Collection 2 product guide: reflectance = 0.0000275 * DN - 0.2, DN 0 is fill.  DN
    # outside 7273..43636 (reflectance 0..1) is still a measurement.
    return Band(
        asset=asset, dtype="uint16", scale=0.0000275, offset=-0.2, nodata=0, valid=(1, 65535)
    )


def _bit(asset: str, *bits: int) -> tuple[Flag, ...]:
    return tuple(Flag(asset=asset, shift=bit) for bit in bits)


LANDSAT_C2_L2 = CollectionSpec(
    name="landsat-c2-l2",  # Planetary Computer and Earth Search
    aliases=("landsat-c2l2-sr",),  # USGS LandsatLook
    role="fine",
    resolution_m=30.0,
    bands={
        "blue": _reflectance("blue"),
        "green": _reflectance("green"),
        "red": _reflectance("red"),
        "nir08": _reflectance("nir08"),
        "swir16": _reflectance("swir16"),
        "swir22": _reflectance("swir22"),
    },
    qa={
        "qa_pixel": Band(asset="qa_pixel", dtype="uint16", nodata=1),
        "qa_radsat": Band(asset="qa_radsat", dtype="uint16", required=False),
        # OLI only; TM and ETM+ items have cloud_qa in its place.
        "qa_aerosol": Band(asset="qa_aerosol", dtype="uint8", nodata=1, required=False),
    },
    # stactools-landsat classification:bitfields and the Landsat 4-9 C2 L2 guides.
    flags={
        "fill": _bit("qa_pixel", 0),
        "cloud": _bit("qa_pixel", 1, 3),  # dilated cloud and cloud
        "cirrus": _bit("qa_pixel", 2),  # OLI; the bit is never set on TM and ETM+
        "shadow": _bit("qa_pixel", 4),
        "snow": _bit("qa_pixel", 5),
        "water": _bit("qa_pixel", 7),
        # Bit 6, "clear", has a known fault over water on Landsat 4-7, which is the flood case.
        "occluded": _bit("qa_radsat", 9, 11),  # dropped pixel (TM, ETM+), terrain occlusion (OLI)
        "high_aerosol": (Flag(asset="qa_aerosol", shift=6, width=2, values=(3,)),),
        # Any of the sensor's bands saturated: bits 0-6, whose bands differ between sensors.
        "low_quality": _bit("qa_radsat", 0, 1, 2, 3, 4, 5, 6),
    },
    reject=("fill", "cloud", "cirrus", "shadow", "occluded"),
    reject_if_asked=("snow",),
    # CFMask's own dilation leaves thin edges of clouds and their shadows: two more pixels.
    dilate_m={"cloud": 60.0, "shadow": 60.0},
    # Tier 2 scenes miss the geometric accuracy that 30 m time series need.
    accept={"landsat:collection_category": ("T1",)},
)
