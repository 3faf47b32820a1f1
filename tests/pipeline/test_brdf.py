"""The kernels against published numbers and their own limits, the c-factor by its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs import BANDS
from pipeline.brdf import GLOBAL, c_factor, kernels, normal_sun

ZENITHS = st.floats(0, 75)
AZIMUTHS = st.floats(-360, 360)


def test_the_ross_thick_kernel_has_the_value_of_an_independent_implementation() -> None:
    # The numbers of the tests of SatRbedo (R): sun 46.27, view 10.29, azimuths 31.73 and 291.59,
    # counted there from the forward direction.
    vol, _ = kernels(46.27, 10.29, abs(31.73 - 291.59 - 180))
    assert vol == pytest.approx(-0.03374601, abs=1e-8)


def test_the_li_sparse_kernel_has_the_values_of_an_independent_implementation() -> None:
    # The numbers of the tests of s2brdf (Python): principal plane, sun at 45 degrees.
    _, geo = kernels([45, 45], [0, 50], [0, 0])
    np.testing.assert_allclose(geo, [-1.1068191757647372, 0.4675029273554563], rtol=1e-12)


def test_kernels_vanish_with_sun_and_view_above() -> None:
    np.testing.assert_allclose(kernels(0.0, 0.0, 0.0), 0, atol=1e-12)


@given(ZENITHS, ZENITHS, AZIMUTHS)
def test_sun_and_view_may_be_exchanged_and_left_is_as_right(sun, view, azimuth) -> None:
    here = kernels(sun, view, azimuth)
    np.testing.assert_allclose(kernels(view, sun, azimuth), here, atol=1e-9)
    np.testing.assert_allclose(kernels(sun, view, -azimuth), here, atol=1e-9)
    np.testing.assert_allclose(kernels(sun, view, azimuth + 360), here, atol=1e-6)


@given(st.floats(1, 75))
def test_in_the_hot_spot_no_shadow_is_seen(zenith) -> None:
    # Sun and view in one line: the overlap is whole, and what is left is sec^2 - sec.
    _, geo = kernels(zenith, zenith, 0.0)
    secant = 1 / np.cos(np.radians(zenith))
    assert geo == pytest.approx(secant**2 - secant, abs=1e-6)
    vol, _ = kernels(zenith, zenith, 0.0)
    assert vol == pytest.approx(np.pi / 4 * secant - np.pi / 4, abs=1e-6)


@given(ZENITHS, st.sampled_from(BANDS))
def test_what_is_seen_at_nadir_under_the_normal_sun_stays_as_it_is(sun, band) -> None:
    angles = {"sun_zenith": sun, "view_zenith": 0.0, "relative_azimuth": 77.0}
    assert c_factor(band, angles, sun) == pytest.approx(1)


@given(ZENITHS, ZENITHS, AZIMUTHS, st.floats(20, 60), st.sampled_from(BANDS))
def test_the_factor_takes_the_model_to_its_own_nadir(sun, view, azimuth, normal, band) -> None:
    def seen(sun: float, view: float, azimuth: float) -> float:
        vol, geo = kernels(sun, view, azimuth)
        known = GLOBAL[band]
        return float(known.iso + known.vol * vol + known.geo * geo)

    angles = {"sun_zenith": sun, "view_zenith": view, "relative_azimuth": azimuth}
    factor = c_factor(band, angles, normal)
    assert factor * seen(sun, view, azimuth) == pytest.approx(seen(normal, 0, 0))


def test_the_sunward_side_is_darkened_and_the_far_side_brightened() -> None:
    def at(azimuth: float) -> float:
        angles = {"sun_zenith": 40.0, "view_zenith": 50.0, "relative_azimuth": azimuth}
        return float(c_factor("red", angles, 40.0))

    assert at(0) < 1 < at(180)


def test_azimuths_of_sun_and_view_are_as_good_as_their_difference() -> None:
    angles = {"sun_zenith": 40.0, "view_zenith": 30.0}
    apart = c_factor("red", angles | {"view_azimuth": 10.0, "sun_azimuth": 330.0}, 45.0)
    together = c_factor("red", angles | {"relative_azimuth": 40.0}, 45.0)
    assert apart == pytest.approx(together)


def test_an_unknown_angle_gives_no_factor() -> None:
    angles = {"sun_zenith": 40.0, "view_zenith": [30.0, np.nan], "relative_azimuth": 0.0}
    assert np.isfinite(c_factor("red", angles, 45.0)).tolist() == [True, False]


@pytest.mark.parametrize(("latitude", "low", "high"), [(0, 25, 35), (-35, 40, 55), (60, 55, 70)])
def test_the_normal_sun_stands_lower_towards_the_poles(latitude, low, high) -> None:
    assert low < normal_sun(latitude) < high
