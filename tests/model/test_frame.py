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
