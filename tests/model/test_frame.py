import pytest
import torch

from model.card import FRAME_NAMES
from model.frame import Images, View, frame_of, local_mean


def view_of(
    name: str,
    images: Images,
    w: float = 0.25,
    *,
    ratio: int = 16,
    contrast: bool | None = None,
    filled: torch.Tensor | None = None,
    present: tuple[int, ...] = (1,) * 6,
) -> View:
    frame = frame_of(name, contrast=name != "reflectance" if contrast is None else contrast)
    centre, spread = torch.full((1, 6), 0.2), torch.full((1, 6), 0.1)
    there = torch.tensor([present], dtype=torch.bool)
    return frame.view(images, filled, torch.tensor([w]), centre, spread, ratio, there)


def test_every_frame_goes_there_and_back() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    fine = torch.rand(1, 6, 48, 64)
    for name in FRAME_NAMES:
        view = view_of(name, images)
        torch.testing.assert_close(view.to_reflectance(view.to_network(fine)), fine)


def test_reflectance_frame_is_the_papers_scaling_and_starts_from_the_coarse_image() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    view = view_of("reflectance", images)
    for seen, image in zip(view.known, images, strict=True):
        torch.testing.assert_close(seen, 2 * image - 1)
    torch.testing.assert_close(view.to_reflectance(view.start), images.coarse)


def test_anomaly_frame_starts_from_the_anomaly_prediction() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    view = view_of("anomaly", images)
    f0, c0, f2, c2, c1 = images
    expected = 0.75 * (f0 - c0) + 0.25 * (f2 - c2) + c1
    torch.testing.assert_close(view.to_reflectance(view.start), expected)


def test_anomaly_frame_shows_each_image_and_its_contrast_in_units_of_the_change() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    view = view_of("anomaly", images)
    f0, c0, f2, c2, c1 = images
    change = (local_mean((f2 - f0) ** 2, 16) + 0.01**2).sqrt()
    anomaly = c1 - 0.75 * c0 - 0.25 * c2
    torch.testing.assert_close(view.scale, (change**2 + anomaly**2).sqrt())
    contrasts = (f0 - f2, c0 - c2, f2 - f0, c2 - c0)
    for seen, image in zip(view.known, images, strict=True):
        torch.testing.assert_close(seen[:, :6], (image - 0.2) / 0.1)
    for seen, contrast in zip(view.known[:4], contrasts, strict=True):
        torch.testing.assert_close(seen[:, 6:], contrast / change)
    torch.testing.assert_close(view.known.coarse[:, 6:], anomaly / view.scale)


def test_equal_references_and_no_anomaly_start_from_the_reference_itself() -> None:
    fine, coarse = torch.rand(2, 1, 6, 48, 64)
    view = view_of("anomaly", Images(fine, coarse, fine, coarse, coarse))
    torch.testing.assert_close(view.to_reflectance(view.start), fine)
    assert torch.isfinite(torch.cat(view.known)).all()


def test_local_mean_keeps_constants_and_shape() -> None:
    image = torch.full((1, 2, 50, 70), 0.4)
    torch.testing.assert_close(local_mean(image, 16), image)


RELATIVE = ("anomaly", "linear", "delta")


def test_the_linear_frame_starts_from_what_time_alone_predicts() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    view = view_of("linear", images)
    expected = 0.75 * images.fine_before + 0.25 * images.fine_after
    torch.testing.assert_close(view.to_reflectance(view.start), expected)


def test_the_delta_frame_leans_to_the_reference_whose_coarse_image_is_alike() -> None:
    torch.manual_seed(0)  # by chance two predictions are the same in a pixel, and 0 / 0 tells none
    f0, f2, c0 = torch.rand(3, 1, 6, 48, 64)
    c1 = c0 + 0.05
    changes = {"as far": -0.05, "further": -5.0, "nearer": 0.0}
    lean = {}
    for name, change in changes.items():
        c2 = c1 + change
        view = view_of("delta", Images(f0, c0, f2, c2, c1))
        guess = view.to_reflectance(view.start)
        before, after = f0 + c1 - c0, f2 + c1 - c2
        lean[name] = ((guess - before) / (after - before)).median().item()
    assert lean["further"] < 0.01
    assert lean["as far"] == pytest.approx(0.25, abs=1e-4)  # as time says
    # The weight of each is the other's squared distance in units of the spread, plus 0.01.
    assert lean["nearer"] == pytest.approx(0.25 * 0.26 / (0.25 * 0.26 + 0.75 * 0.01), abs=1e-4)


def test_the_normalised_frame_starts_from_the_day_as_the_fine_sensor_would_see_it() -> None:
    f0, f2 = torch.rand(2, 1, 6, 48, 64) * 0.2
    c0, c2, c1 = torch.rand(3, 1, 6, 1, 1).expand(3, 1, 6, 48, 64) * 0.2
    images = Images(f0 + 0.03, c0, f2 + 0.03, c2, c1)
    view = view_of("normalised", images)
    for seen, image in zip(view.known, images, strict=True):
        torch.testing.assert_close(seen[:, :6], (image - 0.2) / 0.1)
    above = 0.75 * (f0 + 0.03 - c0) + 0.25 * (f2 + 0.03 - c2)
    torch.testing.assert_close(view.to_reflectance(view.start), c1 + local_mean(above, 16))
    torch.testing.assert_close(view.to_network(images.coarse), (c1 - 0.2) / 0.1)


@pytest.mark.parametrize("name", FRAME_NAMES)
@pytest.mark.parametrize("contrast", [True, False])
def test_every_frame_makes_the_channels_that_its_network_sees(name: str, contrast: bool) -> None:
    images = Images(*torch.rand(5, 1, 6, 32, 32))
    filled = torch.rand(1, 5, 32, 32) < 0.5
    view = view_of(name, images, contrast=contrast, filled=filled)
    for index, seen in enumerate(view.known):
        assert seen.shape[1] == (12 if contrast else 6) + 1
        assert torch.equal(seen[:, -1], filled[:, index].float())
    plain = view_of(name, images, contrast=contrast)
    assert torch.equal(plain.start, view.start)
    for seen, with_filled in zip(plain.known, view.known, strict=True):
        assert torch.equal(seen, with_filled[:, :-1])


@pytest.mark.parametrize("name", FRAME_NAMES)
def test_nothing_that_stands_in_an_absent_band_is_seen_anywhere(name: str) -> None:
    present = (0, 1, 1, 0, 1, 0)
    absent = [0, 3, 5]
    images, fine = torch.rand(5, 1, 6, 48, 64), torch.rand(1, 6, 48, 64)
    other, other_fine = images.clone(), fine.clone()
    other[:, :, absent], other_fine[:, absent] = float("nan"), float("nan")
    one = view_of(name, Images(*images), contrast=True, present=present)
    two = view_of(name, Images(*other), contrast=True, present=present)
    space, other_space = one.to_network(fine), two.to_network(other_fine)
    for a, b in (*zip(one.known, two.known, strict=True), (one.start, two.start)):
        assert torch.equal(a, b)
    assert torch.equal(space, other_space)
    for image in (*one.known, one.start, space, one.hide(torch.ones_like(fine))):
        channels = [band + 6 * part for band in absent for part in range(image.shape[1] // 6)]
        assert not image[:, channels].any()
    assert not one.to_reflectance(space)[:, absent].any()
    known = [1, 2, 4]
    torch.testing.assert_close(one.to_reflectance(space)[:, known], fine[:, known])


@pytest.mark.parametrize("name", RELATIVE)
def test_one_band_is_viewed_as_it_is_among_others(name: str) -> None:
    images = torch.rand(5, 1, 6, 32, 32)
    images[1:] = images[1:, :, 2:3]  # what delta weighs is the same in all bands
    whole = view_of(name, Images(*images))
    alone = view_of(name, Images(*images), present=(0, 0, 1, 0, 0, 0))
    for a, b in ((whole.base, alone.base), (whole.scale, alone.scale)):
        torch.testing.assert_close(a[:, 2], b[:, 2])


@pytest.mark.parametrize("name", FRAME_NAMES)
@pytest.mark.parametrize("ratio", [1, 7, 16])
def test_one_reference_on_both_sides_is_finite(name: str, ratio: int) -> None:
    fine, coarse, day = torch.rand(3, 1, 6, 48, 64)
    images = Images(fine, coarse, fine, coarse, day)
    view = view_of(name, images, w=0.0, ratio=ratio, contrast=True)
    for image in (*view.known, view.start, view.to_network(fine)):
        assert torch.isfinite(image).all()
    if name in ("anomaly", "delta"):
        torch.testing.assert_close(view.to_reflectance(view.start), fine + day - coarse)
