"""Landsat 4-9 Collection 2 Level 2 surface reflectance.

Sources: USGS Collection 2 product guides, and classification:bitfields of stactools-landsat, which
real items carry.
"""

from catalogs.spec import Band, CollectionSpec, Flag, Key

TM, ETM = ("landsat-4", "landsat-5"), ("landsat-7",)
OLI = ("landsat-8", "landsat-9")

NUMBERS = {
    # Band numbers of each common name: of TM and ETM+, of OLI.
    "blue": (1, 2),
    "green": (2, 3),
    "red": (3, 4),
    "nir08": (4, 5),
    "swir16": (5, 6),
    "swir22": (7, 7),
}


def _reflectance(asset: str) -> Band:
    # USGS Collection 2 product guide: reflectance = 0.0000275 * DN - 0.2, DN 0 is fill.  DN
    # outside 7273..43636 (reflectance 0..1) is still a measurement.
    return Band(
        asset=asset, dtype="uint16", scale=0.0000275, offset=-0.2, nodata=0, valid=(1, 65535)
    )


def _bit(asset: str, *bits: int, of: tuple[str, ...] = ()) -> tuple[Flag, ...]:
    return tuple(Flag(asset=asset, shift=bit, platforms=of) for bit in bits)


def _saturated(name: str) -> tuple[Flag, ...]:
    """Bit k - 1 is band k on every sensor.  Bits 5 and 8 of ETM+ are its two thermal bands."""
    tm, oli = NUMBERS[name]
    return (*_bit("qa_radsat", tm - 1, of=TM + ETM), *_bit("qa_radsat", oli - 1, of=OLI))


# The names of the files, which are the asset keys of USGS before STAC 1.0 and of the Planetary
# Computer's landsat-8-c2-l2.
_FILES = (
    *(Key(name=f"SR_B{tm}", asset=name, platforms=TM + ETM) for name, (tm, _) in NUMBERS.items()),
    *(Key(name=f"SR_B{oli}", asset=name, platforms=OLI) for name, (_, oli) in NUMBERS.items()),
    Key(name="SR_B1", asset="coastal", platforms=OLI),
    Key(name="QA_PIXEL", asset="qa_pixel"),
    Key(name="QA_RADSAT", asset="qa_radsat"),
    Key(name="SR_QA_AEROSOL", asset="qa_aerosol"),
    Key(name="SR_CLOUD_QA", asset="cloud_qa"),
    Key(name="SR_ATMOS_OPACITY", asset="atmos_opacity"),
)

LANDSAT_C2_L2 = CollectionSpec(
    name="landsat-c2-l2",  # Planetary Computer and Earth Search
    # USGS LandsatLook; the Planetary Computer before 2022.
    aliases=("landsat-c2l2-sr", "landsat-8-c2-l2"),
    ids=("LC0", "LE0", "LT0"),
    keys=_FILES,
    role="fine",
    resolution_m=30.0,
    bands={name: _reflectance(name) for name in NUMBERS},
    qa={
        "qa_pixel": Band(asset="qa_pixel", dtype="uint16", nodata=1),
        "qa_radsat": Band(asset="qa_radsat", dtype="uint16", required=False),
        # OLI only; TM and ETM+ items have cloud_qa in its place.
        "qa_aerosol": Band(asset="qa_aerosol", dtype="uint8", nodata=1, required=False),
        "cloud_qa": Band(asset="cloud_qa", dtype="uint8", required=False),
    },
    flags={
        "fill": _bit("qa_pixel", 0),
        "cloud": _bit("qa_pixel", 1, 3),  # dilated cloud and cloud
        "cirrus": _bit("qa_pixel", 2, of=OLI),
        "shadow": _bit("qa_pixel", 4),
        "snow": _bit("qa_pixel", 5),
        "water": _bit("qa_pixel", 7),
        # Bit 6, "clear", has a known fault over water on Landsat 4-7, which is the flood case.
        # Dropped pixel, and terrain occlusion.
        "occluded": (*_bit("qa_radsat", 9, of=TM + ETM), *_bit("qa_radsat", 11, of=OLI)),
        "high_aerosol": (Flag(asset="qa_aerosol", shift=6, width=2, values=(3,)),),
        # Cloud and shadow by LEDAPS.  USGS holds CFMask, in qa_pixel, for the more accurate one:
        # where LEDAPS alone sees them the pixel is kept and marked.
        "low_quality": _bit("cloud_qa", 1, 2),
    },
    # A saturated number is a lower bound.  TM and ETM+ saturate over snow in the visible, so there
    # a snow field may be a gap although snow is kept.
    band_reject={name: _saturated(name) for name in NUMBERS},
    reject=("fill", "cloud", "cirrus", "shadow", "occluded"),
    reject_if_asked=("snow", "water"),
    # CFMask's own dilation leaves thin edges of clouds and their shadows: two more pixels.
    dilate_m={"cloud": 60.0, "shadow": 60.0},
    # Tier 2 scenes miss the geometric accuracy that 30 m time series need.
    accept={"landsat:collection_category": ("T1",)},
)
