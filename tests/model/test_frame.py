import torch

from model.frame import FRAMES, Images, local_mean


def view_of(name: str, images: Images, w: float = 0.25):
    spread = torch.full((1, 6), 0.1)
    return FRAMES[name].view(images, torch.tensor([w]), torch.full((1, 6), 0.2), spread, 16)


def test_every_frame_goes_there_and_back() -> None:
    images = Images(*torch.rand(5, 1, 6, 48, 64))
    fine = torch.rand(1, 6, 48, 64)
    for name in FRAMES:
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


def test_equal_references_and_no_anomaly_start_from_the_reference_itself() -> None:
    fine, coarse = torch.rand(2, 1, 6, 48, 64)
    view = view_of("anomaly", Images(fine, coarse, fine, coarse, coarse))
    torch.testing.assert_close(view.to_reflectance(view.start), fine)
    assert torch.isfinite(torch.cat(view.known)).all()


def test_local_mean_keeps_constants_and_shape() -> None:
    image = torch.full((1, 2, 50, 70), 0.4)
    torch.testing.assert_close(local_mean(image, 16), image)
