"""Masks of real QA layers, against decoders that are slow and obvious, and published masks."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from catalogs import BANDS, Band
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MOD09GA, NUMBERS
from pipeline.mask import read_flags
from pipeline.native import to_reflectance

SCENES = (
    "LC08_L2SP_005009_20150710_20200908_02_T2",
    "LC08_L2SP_008059_20191201_20200825_02_T1",
    "LC08_L2SP_017036_20130419_20200913_02_T2",
    "LC08_L2SR_099120_20191129_20201016_02_T2",
)


def bit(word: int, place: int) -> bool:
    """A bit of a word, counted from the right of how it is written."""
    return f"{word:032b}"[31 - place] == "1"


def by_word(words: np.ndarray, says) -> np.ndarray:
    """What ``says`` answers for each pixel's word, word by word."""
    result = np.zeros(words.shape, bool)
    for word in np.unique(words):
        result[words == word] = says(int(word))
    return result


def within(mask: np.ndarray, metres: float, pixel_m: tuple[float, float]) -> np.ndarray:
    """Pixels with one of ``mask`` within ``metres``, by shifting it to every place in reach."""
    reach = [int(metres // size) for size in pixel_m]
    padded = np.pad(mask, [(n, n) for n in reach])
    result = np.zeros_like(mask)
    for dy in range(2 * reach[0] + 1):
        for dx in range(2 * reach[1] + 1):
            away = np.hypot((dy - reach[0]) * pixel_m[0], (dx - reach[1]) * pixel_m[1])
            if away <= metres + 1e-6:
                result |= padded[dy : dy + mask.shape[0], dx : dx + mask.shape[1]]
    return result


@pytest.mark.parametrize("pixel_m", [(3000.0, 3000.0), (30.0, 30.0)], ids=["as is", "grown"])
@pytest.mark.parametrize("name", SCENES)
def test_landsat_layers_are_masked_as_their_bits_say(shared_data: Path, name: str, pixel_m) -> None:
    words = {}
    for key, ending in (
        ("qa_pixel", "QA_PIXEL"),
        ("qa_radsat", "QA_RADSAT"),
        ("qa_aerosol", "SR_QA_AEROSOL"),
    ):
        path = shared_data / "qa" / "landsat-c2l2-overview" / f"{name}_{ending}.TIF"
        with rasterio.open(path) as file:
            words[key] = file.read(1)
    shape = words["qa_pixel"].shape
    flags = read_flags(
        words, LANDSAT_C2_L2, BANDS, shape=shape, pixel_m=pixel_m, platform="landsat-8"
    )
    pixel, radsat, aerosol = words["qa_pixel"], words["qa_radsat"], words["qa_aerosol"]
    cloud = by_word(pixel, lambda w: bit(w, 1) or bit(w, 3))
    shadow = by_word(pixel, lambda w: bit(w, 4))
    other = by_word(pixel, lambda w: bit(w, 0) or bit(w, 2)) | by_word(radsat, lambda w: bit(w, 11))
    reach = 60.0
    np.testing.assert_array_equal(
        flags.reject, within(cloud, reach, pixel_m) | within(shadow, reach, pixel_m) | other
    )
    np.testing.assert_array_equal(flags.snow, by_word(pixel, lambda w: bit(w, 5)))
    np.testing.assert_array_equal(flags.water, by_word(pixel, lambda w: bit(w, 7)))
    np.testing.assert_array_equal(
        flags.high_aerosol, by_word(aerosol, lambda w: bit(w, 6) and bit(w, 7))
    )
    for place, band in enumerate(BANDS, start=1):  # OLI: band k is bit k - 1, blue is band 2
        np.testing.assert_array_equal(
            flags.band_reject[band], by_word(radsat, lambda w, place=place: bit(w, place))
        )


@pytest.fixture(scope="module")
def granule(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """State and QC words of a real MOD09GA on its 500 m grid."""
    hdf = pytest.importorskip("pyhdf.SD")
    (path,) = (shared_data / "qa" / "mod09ga-full-hdf").glob("*.hdf")
    file = hdf.SD(str(path))
    state, qc = (file.select(name).get() for name in ("state_1km_1", "QC_500m_1"))
    file.end()
    return np.kron(state, np.ones((2, 2), state.dtype)), qc


def test_a_real_granule_is_masked_as_its_words_say(granule) -> None:
    state, qc = granule
    flags = read_flags(
        {"state_1km": state, "qc_500m": qc},
        MOD09GA,
        BANDS,
        shape=state.shape,
        pixel_m=(463.3, 463.3),
    )

    def unclear(word: int) -> bool:
        cloud = (bit(word, 1), bit(word, 0)) in ((False, True), (True, False))
        return word == 65535 or cloud or bit(word, 2) or bit(word, 9) or bit(word, 10)

    def code(word: int, band: str) -> int:
        return int(f"{word:032b}"[::-1][4 * NUMBERS[band] - 2 : 4 * NUMBERS[band] + 2][::-1], 2)

    missing = by_word(qc, lambda w: bit(w, 1))
    np.testing.assert_array_equal(flags.reject, by_word(state, unclear) | missing)
    np.testing.assert_array_equal(
        flags.snow, by_word(state, lambda w: w != 65535 and (bit(w, 12) or bit(w, 15)))
    )
    land = by_word(state, lambda w: f"{w:016b}"[-6:-3] in ("001", "010"))
    np.testing.assert_array_equal(flags.water, ~land & (state != 65535))
    for band in BANDS:
        spoilt = by_word(qc, lambda w, band=band: code(w, band) in (9, 11, 14, 15))
        np.testing.assert_array_equal(flags.band_reject[band], spoilt)


CLASSES = {0: "clear", 1: "water", 2: "shadow", 3: "snow", 4: "cloud", 255: "fill"}
"""CFMask classes of the published series."""

QA_PIXEL = {
    # The words USGS gives them in QA_PIXEL of Landsat 4-7 and of Landsat 8-9.
    "clear": (5440, 21824),
    "water": (5504, 21952),
    "shadow": (7440, 23888),
    "snow": (13600, 30048),
    "cloud": (5896, 22280),
    "fill": (1, 1),
}

SERIES = {
    # Observations, and those the published mask holds for clear, water or snow.
    "sample_WA_grid08_row12_col2265_fmask_fail": (672, 186),
    "sample_WA_grid08_row999_col1_normal": (724, 488),
    "sample_WA_grid08_row9_col2267_persistent_snow": (685, 196),
    "test_3657_3610_observations": (443, 310),
}


def reject_of(classes: np.ndarray, sensor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    words = np.vectorize(lambda one: QA_PIXEL[CLASSES[one]][sensor])(classes).astype(np.uint16)
    flags = read_flags(
        {"qa_pixel": words[None]},
        LANDSAT_C2_L2,
        BANDS,
        shape=(1, words.size),
        pixel_m=(1e6, 1e6),  # observations in a row are no neighbours
        platform=("landsat-5", "landsat-8")[sensor],
    )
    return flags.reject[0], flags.water[0], flags.snow[0]


@pytest.mark.parametrize("sensor", [0, 1])
def test_the_words_of_every_class_are_read_as_the_class(sensor: int) -> None:
    classes = np.array(list(CLASSES))
    reject, water, snow = reject_of(classes, sensor)
    assert reject.tolist() == [CLASSES[one] in ("shadow", "cloud", "fill") for one in CLASSES]
    assert water.tolist() == [one == 1 for one in CLASSES]
    assert snow.tolist() == [one == 3 for one in CLASSES]


@pytest.mark.parametrize("sensor", [0, 1])
@pytest.mark.parametrize("name", SERIES)
def test_every_observation_of_a_series_agrees_with_its_published_mask(
    shared_data: Path, name: str, sensor: int
) -> None:
    path = shared_data / "qa" / "landsat-ard-pixel-series" / f"{name}.csv"
    table = np.loadtxt(path, delimiter=",", dtype=int)
    classes = table[:, 8]
    reject, water, snow = reject_of(classes, sensor)
    np.testing.assert_array_equal(~reject, np.isin(classes, (0, 1, 3)))
    np.testing.assert_array_equal(water, classes == 1)
    np.testing.assert_array_equal(snow, classes == 3)
    assert (classes.size, int((~reject).sum())) == SERIES[name]


def test_saturated_numbers_that_the_published_mask_calls_clear_are_not_used(shared_data) -> None:
    # These series say 20000 or 16000 for saturated; CFMask calls such pixels snow.
    band = Band(asset="a", scale=1e-4, nodata=-9999, valid=(-2000, 15999))
    for name, expected in (
        ("sample_WA_grid08_row9_col2267_persistent_snow", 90),
        ("sample_WA_grid08_row999_col1_normal", 0),
    ):
        path = shared_data / "qa" / "landsat-ard-pixel-series" / f"{name}.csv"
        table = np.loadtxt(path, delimiter=",", dtype=int)
        reject = ~np.isin(table[:, 8], (0, 1, 3))
        values = to_reflectance(table[:, 1:7].T.astype(np.int16), band, reject)
        lost = ~reject & np.isnan(values).any(axis=0)
        assert lost.sum() == expected
        np.testing.assert_array_equal(lost, ~reject & (table[:, 1:7].max(axis=1) >= 16000))
