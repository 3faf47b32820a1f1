"""QA words: every bit by brute force, dilation by distance, and the words of real scenes."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs import BANDS, Flag
from catalogs.hls import HLS_L30, HLS_S30
from catalogs.landsat import LANDSAT_C2_L2
from catalogs.modis import MCD43A4, MOD09GA, NUMBERS
from pipeline.mask import clearness, grow, raised, read_flags


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
    snow_dropped = _landsat(words, drop=("snow",))
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
        # The fill of the word has all bits up and says nothing else.
        assert snow == bool(w != 65535 and ((w >> 12) & 1 or (w >> 15) & 1))
        assert water == (w != 65535 and (w >> 3) & 7 not in (1, 2))
        assert hazy == (w != 65535 and (w >> 6) & 3 == 3)


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


RADSAT = {
    # What each bit of QA_RADSAT means, band by band, from the bit tables of real items.
    "landsat-5": dict(enumerate(("blue", "green", "red", "nir08", "swir16", "", "swir22")))
    | {9: "dropped"},
    "landsat-7": dict(enumerate(("blue", "green", "red", "nir08", "swir16", "", "swir22")))
    | {8: "", 9: "dropped"},
    "landsat-9": dict(enumerate(("", "blue", "green", "red", "nir08", "swir16", "swir22")))
    | {8: "", 11: "dropped"},
}


@pytest.mark.parametrize("platform", RADSAT)
@pytest.mark.parametrize("bit", range(16))
def test_saturation_spoils_the_bands_own_number_and_thermal_bands_nothing(
    platform: str, bit: int
) -> None:
    words = np.full((1, 1), 21824, np.uint16)
    flags = read_flags(
        {"qa_pixel": words, "qa_radsat": np.full((1, 1), 1 << bit, np.uint16)},
        LANDSAT_C2_L2,
        BANDS,
        shape=(1, 1),
        pixel_m=(30.0, 30.0),
        platform=platform,
    )
    meaning = RADSAT[platform].get(bit, "")
    assert [name for name in BANDS if flags.band_reject[name].any()] == [meaning] * (
        meaning in BANDS
    )
    assert flags.reject.any() == (meaning == "dropped")
    assert not flags.high_aerosol.any()


def test_of_an_unknown_craft_every_meaning_of_a_bit_is_taken() -> None:
    words = np.full((1, 1), 21824, np.uint16)
    flags = read_flags(
        {"qa_pixel": words, "qa_radsat": np.full((1, 1), 1 << 1, np.uint16)},
        LANDSAT_C2_L2,
        BANDS,
        shape=(1, 1),
        pixel_m=(30.0, 30.0),
    )
    assert [name for name in BANDS if flags.band_reject[name].any()] == ["blue", "green"]


def test_all_words_of_cloud_qa_mark_and_reject_nothing() -> None:
    words = np.arange(256, dtype=np.uint8).reshape(16, 16)
    flags = _landsat(np.full((16, 16), 21824, np.uint16), extra={"cloud_qa": words})
    for word, poor in zip(words.flat, flags.high_aerosol.flat, strict=True):
        assert poor == (f"{word:08b}"[-2] == "1" or f"{word:08b}"[-3] == "1")
    assert not flags.reject.any()


@pytest.mark.parametrize("spec", [HLS_L30, HLS_S30], ids=lambda spec: spec.name)
def test_all_words_of_fmask_are_read_as_their_bits_say(spec) -> None:
    words = np.arange(256, dtype=np.uint8).reshape(16, 16)
    flags, watered = (
        read_flags({"fmask": words}, spec, BANDS, shape=(16, 16), pixel_m=(30.0, 30.0), drop=drop)
        for drop in ((), ("water",))
    )
    for at, word in np.ndenumerate(words):
        bits = f"{word:08b}"[::-1]
        fill = word == 255
        assert flags.reject[at] == (fill or "1" in bits[1:4])
        assert flags.snow[at] == (bits[4] == "1" and not fill)
        assert flags.water[at] == (bits[5] == "1" and not fill)
        assert flags.high_aerosol[at] == (bits[6:8] == "11" and not fill)
        assert watered.reject[at] == (flags.reject[at] or bits[5] == "1")


def test_the_bits_of_a_fill_word_do_not_grow_into_the_scene() -> None:
    words = np.zeros((9, 9), np.uint8)
    words[:, :3] = 255
    spec = replace(HLS_L30, dilate_m={"cloud": 60.0, "shadow": 60.0})
    flags = read_flags({"fmask": words}, spec, BANDS, shape=(9, 9), pixel_m=(30.0, 30.0))
    np.testing.assert_array_equal(flags.reject, words == 255)


@pytest.mark.parametrize("spec", [LANDSAT_C2_L2, HLS_S30], ids=lambda spec: spec.name)
def test_snow_and_water_are_dropped_where_asked_and_only_then(spec) -> None:
    (key, snow, water) = ("fmask", 4, 5) if spec is HLS_S30 else ("qa_pixel", 5, 7)
    words = np.array([[0, 1 << snow, 1 << water]], spec.qa[key].dtype)
    for drop, expected in (
        ((), [False, False, False]),
        (("snow",), [False, True, False]),
        (("water",), [False, False, True]),
        (("snow", "water"), [False, True, True]),
    ):
        flags = read_flags({key: words}, spec, (), shape=(1, 3), pixel_m=(30.0, 30.0), drop=drop)
        assert flags.reject.tolist() == [expected]


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


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([(30.0, 30.0), (30.0, 20.0)]))
def test_clearness_is_the_share_and_the_mean_distance_to_what_is_not_clear(
    seed: int, share: float, pixel_m: tuple[float, float]
) -> None:
    clear = np.random.default_rng(seed).random((12, 9)) < share
    windows = [(slice(0, 7), slice(0, 9)), (slice(7, 12), slice(2, 6))]
    unclear = np.argwhere(~clear)
    for (y, x), (got, metres) in zip(
        windows, clearness(clear, windows, pixel_m, 100.0), strict=True
    ):
        away = [
            min([100.0, *np.hypot(*((unclear - place) * pixel_m).T)])
            for place in np.argwhere(clear)
            if y.start <= place[0] < y.stop and x.start <= place[1] < x.stop
        ]
        assert got == pytest.approx(clear[y, x].mean())
        assert metres == pytest.approx(np.mean(away) if away else 0.0)


def test_only_a_window_without_a_hole_is_clear_by_exactly_1() -> None:
    clear = np.ones((2048, 2048), bool)
    window = (slice(0, 2048), slice(0, 2048))
    assert clearness(clear, [window], (30.0, 30.0), 1500.0) == [(1.0, 1500.0)]
    clear[5, 5] = False
    assert np.float32(clearness(clear, [window], (30.0, 30.0), 1500.0)[0][0]) < 1


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
