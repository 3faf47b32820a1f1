"""QA words: every bit by brute force, dilation by distance, and the words of real scenes."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import Flag
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MCD43A4, MOD09GA, NUMBERS
from pipeline.mask import grow, raised, read_flags


def _landsat(words: np.ndarray, **changes):
    return read_flags(
        {"qa_pixel": words, "qa_radsat": np.zeros_like(words)} | changes.pop("extra", {}),
        LANDSAT_C2_L2,
        ("red",),
        shape=words.shape,
        pixel_m=changes.pop("pixel_m", (3000.0, 3000.0)),  # so large that nothing grows
        **changes,
    )


def test_all_65536_qa_pixel_words_are_read_as_their_bits_say() -> None:
    words = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    flags = _landsat(words)
    snow_dropped = _landsat(words, drop_snow=True)
    for word, reject, with_snow, snow, water in zip(
        words.flat,
        flags.reject.flat,
        snow_dropped.reject.flat,
        flags.snow.flat,
        flags.water.flat,
        strict=True,
    ):
        bit = [(int(word) >> k) & 1 for k in range(16)]
        assert reject == bool(bit[0] or bit[1] or bit[2] or bit[3] or bit[4])
        assert with_snow == (reject or bool(bit[5]))
        assert snow == bool(bit[5])
        assert water == bool(bit[7])


def test_the_clear_bit_of_landsat_changes_nothing() -> None:
    words = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(_landsat(words).reject, _landsat(words ^ (1 << 6)).reject)


def test_all_65536_state_words_are_read_as_their_bits_say() -> None:
    words = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    flags = read_flags(
        {"state_1km": words, "qc_500m": np.zeros(words.shape, np.uint32)},
        MOD09GA,
        ("red",),
        shape=words.shape,
        pixel_m=(463.3, 463.3),
    )
    for word, reject, snow, water, hazy in zip(
        words.flat,
        flags.reject.flat,
        flags.snow.flat,
        flags.water.flat,
        flags.high_aerosol.flat,
        strict=True,
    ):
        w = int(word)
        cloud = w & 3 in (1, 2) or (w >> 10) & 1
        assert reject == bool(w == 65535 or cloud or (w >> 2) & 1 or (w >> 8) & 3 >= 2)
        assert snow == bool((w >> 12) & 1 or (w >> 15) & 1)
        assert water == ((w >> 3) & 7 not in (1, 2))
        assert hazy == ((w >> 6) & 3 == 3)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_qc_word_rejects_a_band_by_its_own_four_bits(word: int) -> None:
    bands = ("blue", "red", "swir22")
    flags = read_flags(
        {"state_1km": np.full((1, 1), 8, np.uint16), "qc_500m": np.full((1, 1), word, np.uint32)},
        MOD09GA,
        bands,
        shape=(1, 1),
        pixel_m=(463.3, 463.3),
    )
    code = {name: (word >> (4 * NUMBERS[name] - 2)) & 15 for name in NUMBERS}
    assert flags.reject[0, 0] == (word & 3 >= 2)
    assert flags.high_aerosol[0, 0] == any(code[name] in (7, 8, 10, 12, 13) for name in NUMBERS)
    for name in bands:
        assert flags.band_reject[name][0, 0] == (code[name] in (9, 11, 14, 15))


def test_the_fill_of_the_qc_word_is_not_produced() -> None:
    assert 787410671 & 3 == 3


def test_nbar_keeps_full_and_magnitude_inversions_and_flags_the_second() -> None:
    words = np.arange(256, dtype=np.uint8).reshape(16, 16)
    zero = np.zeros_like(words)
    names = {name: band.asset for name, band in MCD43A4.qa.items()}
    red = MCD43A4.band_reject["red"][0].asset
    flags = read_flags(
        {key: words if key == red else zero for key in names},
        MCD43A4,
        ("red", "blue"),
        shape=(16, 16),
        pixel_m=(463.3, 463.3),
    )
    np.testing.assert_array_equal(flags.band_reject["red"], words > 1)
    assert not flags.band_reject["blue"].any()
    np.testing.assert_array_equal(flags.high_aerosol, words == 1)


def test_a_word_the_item_lacks_says_nothing() -> None:
    words = np.full((4, 4), 21824, np.uint16)
    assert not _landsat(words).high_aerosol.any()
    hazy = _landsat(words, extra={"qa_aerosol": np.full((4, 4), 0b11000010, np.uint8)})
    assert hazy.high_aerosol.all()


def test_terrain_occlusion_is_rejected_and_saturation_flagged() -> None:
    words = np.full((1, 3), 21824, np.uint16)
    flags = _landsat(words, extra={"qa_radsat": np.array([[0, 1 << 11, 1 << 3]], np.uint16)})
    assert flags.reject.tolist() == [[False, True, False]]
    assert flags.high_aerosol.tolist() == [[False, False, True]]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 28), st.integers(1, 4), st.integers(0, 15))
def test_a_flag_is_its_field_of_the_word(word: int, shift: int, width: int, value: int) -> None:
    flag = Flag(asset="qa", shift=shift, width=width, values=(value,))
    expected = int(f"{word:032b}"[::-1][shift : shift + width][::-1], 2) == value
    assert raised(np.array([[word]], np.uint32), flag)[0, 0] == expected


@pytest.mark.parametrize("pixel_m", [(30.0, 30.0), (30.0, 29.9), (463.3, 463.3)])
@pytest.mark.parametrize("metres", [0.0, 30.0, 60.0, 500.0])
def test_growing_takes_the_pixels_within_the_distance(pixel_m, metres: float) -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((17, 23)) < 0.02
    mask[3, 4] = True
    rows, cols = np.indices(mask.shape)
    expected = np.zeros_like(mask)
    for row, col in np.argwhere(mask):
        distance = np.hypot((rows - row) * pixel_m[0], (cols - col) * pixel_m[1])
        expected |= distance <= metres + 1e-6
    np.testing.assert_array_equal(grow(mask, metres, pixel_m), expected)


def test_clouds_grow_and_fill_does_not() -> None:
    words = np.full((9, 9), 21824, np.uint16)
    words[4, 4] |= 1 << 3
    assert _landsat(words, pixel_m=(30.0, 30.0)).reject.sum() == 13  # a disc of two pixels
    words[4, 4] = 1
    assert _landsat(words, pixel_m=(30.0, 30.0)).reject.sum() == 1


def test_nothing_grows_from_nothing() -> None:
    assert not grow(np.zeros((3, 3), bool), 100.0, (30.0, 30.0)).any()


def test_real_qa_layers_agree_with_their_neighbour_layers(shared_data) -> None:
    folder = shared_data / "qa" / "landsat-c2l2-overview"
    paths = sorted(folder.glob("*_QA_PIXEL.TIF"))
    assert paths
    clear = 0
    for path in paths:
        with rasterio.open(path) as file:
            words = file.read(1)
        flags = _landsat(words)
        fill = words == 1
        assert flags.reject[fill].all()
        # CFMask says "clear" (bit 6) only where neither cloud nor dilated cloud is set.
        said_clear = (words >> 6) & 1 == 1
        cirrus_or_shadow = (words & (1 << 2 | 1 << 4)) != 0
        assert not flags.reject[said_clear & ~cirrus_or_shadow].any()
        clear += int((~flags.reject).sum())
        band = path.with_name(path.name.replace("QA_PIXEL", "SR_B4"))
        if band.exists():
            with rasterio.open(band) as file:
                numbers = file.read(1)
            assert ((numbers > 0) >= ~flags.reject).mean() > 0.999
    assert clear > 10_000
