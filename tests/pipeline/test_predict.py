"""A day predicted from plain GeoTIFFs is what the method says of the same images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject, transform_bounds

from catalogs import BANDS as SIX
from flows.config import region_job
from model.fuser import load_fuser
from pipeline.folder import catalog_folder
from pipeline.job import Method
from pipeline.predict import lattice
from pipeline.predict.image import open_image
from pipeline.predict.numbers import Numbers
from pipeline.predict.run import predict
from pipeline.progress import Progress
from pipeline.run import run_job
from pipeline.store import open_cube
from tests.model.makers import write_checkpoint
from tests.pipeline.plain_images import DAYS, Place, make_place, read, write
from tests.pipeline.scenes import box

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() or "." in path.name)


@pytest.mark.parametrize("sides", ["both", "before", "after"])
@pytest.mark.parametrize("method", ["anomaly", "guided", "fit-fc"])
def test_the_file_holds_what_the_method_says_of_the_same_block(
    tmp_path: Path, method: str, sides: str
) -> None:
    place = make_place()
    asked = place.write(tmp_path)
    if sides != "both":
        asked = replace(asked, **{"after" if sides == "before" else "before": None})
    done = predict(asked, Method(name=method), tmp_path / "out.tif")
    fused = load_fuser(method).fuse(place.block(sides=sides)).reflectance[0]
    np.testing.assert_allclose(read(done.paths[0]), fused, rtol=0, atol=1e-5)
    assert done.known == 1
    assert done.paths == (tmp_path / "out.tif",)


def test_a_network_predicts_the_same_with_its_sigma_beside(tmp_path: Path) -> None:
    place = make_place(bands=SIX, rows=6, cols=6)
    weights = str(write_checkpoint(tmp_path / "weights", trained=True))
    # Two samples disagree by a deviation that is the sigma of a card without calibration.
    method = Method(checkpoint=weights, samples=2, steps=2)
    done = predict(place.write(tmp_path), method, tmp_path / "out.tif")
    fused, sigma = load_fuser("sa-stf", weights, samples=2, steps=2).fuse(place.block())
    np.testing.assert_allclose(read(done.paths[0]), fused[0], rtol=0, atol=2e-5)
    assert sigma is not None
    assert done.paths[1] == tmp_path / "out.sigma.tif"
    np.testing.assert_allclose(read(done.paths[1]), sigma[0], rtol=0.02, atol=1e-4)
    with rasterio.open(done.paths[1]) as file:
        assert file.descriptions == tuple(f"sigma_{band}" for band in SIX)
    # An image without sigma does not keep that of the one it replaces.
    predict(place.write(tmp_path), Method(name="mean"), done.paths[0], overwrite=True)
    assert not done.paths[1].exists()


def test_the_numbers_are_those_of_the_cube_of_the_same_images(tmp_path: Path) -> None:
    place = make_place()
    asked = place.write(tmp_path / "in", scale=1e-4, dtype="int16", nodata=-9999)
    done = predict(asked, Method(name="anomaly"), tmp_path / "out.tif")
    made = catalog_folder(tmp_path / "in/fine", tmp_path / "in/coarse", tmp_path / "cube")
    run_job(region_job(made.region), workers=1)
    cube = open_cube(tmp_path / "cube" / "in.zarr").sel(time=str(DAYS[1])).squeeze()
    away = np.abs(read(done.paths[0]) - np.stack([cube[band] for band in place.bands]))
    # The last bit of a sum may fall the other way: one number of ten thousand.
    assert away.max() < 1.1e-4
    assert (away > 1e-5).mean() < 1e-3


@pytest.mark.parametrize("method", ["anomaly", "guided", "fit-fc"])
def test_an_image_in_tiles_is_the_image_at_once(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make_place(rows=24, cols=21).write(tmp_path)
    whole = predict(asked, Method(name=method), tmp_path / "whole.tif")
    monkeypatch.setattr(lattice, "TILE", 64)
    seen: list[Progress] = []
    tiled = predict(asked, Method(name=method), tmp_path / "tiled.tif", on_progress=seen.append)
    assert [(event.done, event.total) for event in seen] == [(n, 9) for n in range(10)]
    # guided spreads a change without an end; what its halo leaves out is below 1e-3.
    atol = 1e-3 if method == "guided" else 1e-6
    np.testing.assert_allclose(read(tiled.paths[0]), read(whole.paths[0]), rtol=0, atol=atol)


def test_a_part_of_the_fine_images_is_predicted_like_the_whole(tmp_path: Path) -> None:
    place = make_place(rows=24, cols=24)
    asked = place.write(tmp_path)
    whole = read(predict(asked, Method(name="anomaly"), tmp_path / "whole.tif").paths[0])
    y, x = slice(45, 150), slice(21, 130)  # no edges of cells
    pairs = []
    for pair in (asked.before, asked.after):
        assert pair is not None
        path = tmp_path / f"part-{pair[0].name}"
        write(path, read(pair[0])[:, y, x].astype("f4"), place.fine_box[y, x], bands=place.bands)
        pairs.append((path, pair[1]))
    part = replace(asked, before=pairs[0], after=pairs[1])
    done = predict(part, Method(name="anomaly"), tmp_path / "part.tif")
    with rasterio.open(done.paths[0]) as file:
        assert file.transform == place.fine_box[y, x].affine
    inner = np.s_[:, 24:-24, 24:-24]  # cells beyond the edge are repeated from there
    assert read(done.paths[0])[inner] == pytest.approx(whole[:, y, x][inner], abs=1e-6)
    assert done.known == 1


def test_coarse_images_in_their_own_projection_predict_nearly_the_same(tmp_path: Path) -> None:
    place = make_place(rows=12, cols=12, ratio=16)
    asked = place.write(tmp_path)
    wanted = read(predict(asked, Method(name="anomaly"), tmp_path / "utm.tif").paths[0])
    size = 463.3127165
    left, bottom, right, top = transform_bounds(
        "EPSG:32633", SINUSOIDAL, *place.fine_box.extent.boundingbox
    )
    shape = (round((top - bottom) / size) + 8, round((right - left) / size) + 8)
    affine = Affine(size, 0, left - 4 * size, 0, -size, top + 4 * size)
    turned = []
    for day, cells in zip(DAYS, place.coarse, strict=True):
        seen = np.full((len(place.bands), *shape), np.nan, np.float32)
        # The fine image of the cells, averaged by the pixels of the sensor.
        reproject(
            cells.repeat(16, 1).repeat(16, 2),
            seen,
            src_transform=place.fine_box.affine,
            src_crs="EPSG:32633",
            dst_transform=affine,
            dst_crs=SINUSOIDAL,
            resampling=Resampling.average,
            src_nodata=np.nan,
            dst_nodata=np.nan,
        )
        path = tmp_path / f"sinusoidal-{day}.tif"
        turned.append(write(path, seen, GeoBox(shape, affine, SINUSOIDAL), bands=place.bands))
    assert asked.before
    assert asked.after
    other = replace(
        asked,
        before=(asked.before[0], turned[0]),
        after=(asked.after[0], turned[2]),
        target=turned[1],
    )
    done = predict(other, Method(name="anomaly"), tmp_path / "sinusoidal.tif")
    assert done.known == 1
    found = read(done.paths[0])
    linear = place.fine[[0, 2]].mean(0)
    # Averaged twice the coarse images say the same, a little smoother.
    assert np.abs(found - wanted).mean() < 0.5 * np.abs(wanted - linear).mean()
    assert np.corrcoef((found - linear).ravel(), (wanted - linear).ravel())[0, 1] > 0.85


def test_what_is_unknown_stays_unknown_and_nothing_else(tmp_path: Path) -> None:
    place = make_place()
    fine, coarse = place.fine.copy(), place.coarse.copy()
    fine[0, :, 3, 4] = np.nan
    fine[2, 1, 30, 40] = np.nan  # one band is enough
    coarse[1, :, 5, 6] = np.nan
    holed = Place(fine=fine, coarse=coarse)
    asked = holed.write(tmp_path, scale=1e-4, dtype="int16", nodata=-9999)
    done = predict(asked, Method(name="anomaly"), tmp_path / "out.tif")
    known = np.isfinite(read(done.paths[0]))
    wanted = holed.block().known()[0]
    assert (known == wanted).all()
    assert np.count_nonzero(~wanted) == 2 + 64
    assert done.known == pytest.approx(wanted.mean())


def test_the_file_is_a_cog_that_tells_its_making(tmp_path: Path) -> None:
    place = make_place(bands=("red", "green", "blue"))
    asked = place.write(tmp_path, scale=1e-4, dtype="int16", nodata=-9999)
    out = predict(asked, Method(name="guided"), tmp_path / "out.tif").paths[0]
    with rasterio.open(out) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.crs, file.transform) == (place.fine_box.crs.to_wkt(), place.fine_box.affine)
        assert (file.dtypes[0], file.nodata, file.scales[0]) == ("int16", -9999, 1e-4)
        assert file.descriptions == place.bands
        assert file.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        tags = file.tags()
    assert tags["METHOD"] == "guided"
    assert tags["METHOD_SHA"] == Method(name="guided").card().sha
    assert tags["BEFORE"] == "2023-05-01: 2023-05-01.tif, 2023-05-01.tif"
    assert tags["AFTER"].startswith("2023-05-25")
    assert (tags["DATE"], tags["TARGET"], tags["RATIO"]) == ("2023-05-13", "2023-05-13.tif", "8")
    assert "WEIGHTS_SHA256" not in tags


def test_a_network_tells_its_weights(tmp_path: Path) -> None:
    asked = make_place(rows=4, cols=4).write(tmp_path)
    done = predict(asked, Method(samples=0), tmp_path / "out.tif")
    assert len(done.paths) == 1  # no samples, no sigma
    with rasterio.open(done.paths[0]) as file:
        assert file.tags()["WEIGHTS_SHA256"] == Method().card().weights


def test_an_interrupt_leaves_no_file_and_an_old_one_as_it_was(tmp_path: Path) -> None:
    asked = make_place().write(tmp_path)
    (tmp_path / "old.tif").write_bytes(b"old")

    def stop(event: Progress) -> None:
        raise KeyboardInterrupt

    before = files(tmp_path)
    for name in ("new.tif", "old.tif"):
        with pytest.raises(KeyboardInterrupt):
            predict(
                asked, Method(name="anomaly"), tmp_path / name, overwrite=True, on_progress=stop
            )
    assert files(tmp_path) == before
    assert (tmp_path / "old.tif").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("dtype", "nodata", "scale", "offset"),
    [
        ("int16", -9999, 1e-4, 0.0),
        ("int16", None, 1e-4, 0.0),
        ("uint16", 0, 2.75e-5, -0.2),
        ("uint16", None, 1e-4, 0.0),
        ("float32", -3.4e38, 1e-4, 0.0),
        ("uint8", None, 1 / 255, 0.0),
    ],
)
def test_numbers_are_those_of_the_fine_file(
    tmp_path: Path, dtype: str, nodata: float | None, scale: float, offset: float
) -> None:
    values = np.linspace(-0.1, 0.9, 40).reshape(1, 5, 8)
    values[0, 0] = 0.0, 0.2, -0.9999, 6.5535, 0, 0, 0, 0
    number = (values.clip(0.01, 0.9) - offset) / scale
    where = box((5, 8), 480015.0, 5100015.0)
    path = write(tmp_path / "a.tif", number.astype(dtype), where, nodata=nodata)
    numbers = Numbers.like(open_image(path, scale=(scale, offset)))
    floats = dtype in ("float32", "uint8")
    assert numbers.dtype == ("float32" if floats else dtype)
    stored = numbers.pack(np.where(values == 0.2, np.nan, values).astype(np.float32))
    assert stored.dtype == numbers.dtype
    gone = np.isnan(stored) if floats else stored == numbers.nodata
    assert (gone == (values == 0.2)).all()
    back = stored.astype(float) * numbers.scales[0] + numbers.offsets[0]
    in_range = ~gone & (values >= 0) & (values < 1)
    assert np.abs(back - values)[in_range].max() <= scale * 0.51


def test_images_without_a_crs_lie_over_each_other(tmp_path: Path) -> None:
    place = make_place()
    asked = place.write(tmp_path)
    wanted = read(predict(asked, Method(name="anomaly"), tmp_path / "out.tif").paths[0])
    nowhere = GeoBox(place.fine.shape[2:], Affine.identity(), None)
    fine = [
        write(tmp_path / f"bare-{DAYS[i]}.tif", place.fine[i], nowhere, bands=place.bands)
        for i in (0, 2)
    ]
    coarse = [
        write(
            tmp_path / f"bare-coarse-{day}.tif",
            cells.repeat(8, 1).repeat(8, 2),
            nowhere,
            bands=place.bands,
        )
        for day, cells in zip(DAYS, place.coarse, strict=True)
    ]
    bare_files = replace(
        asked, before=(fine[0], coarse[0]), after=(fine[1], coarse[2]), target=coarse[1]
    )
    done = predict(bare_files, Method(name="anomaly"), tmp_path / "bare.tif")
    assert read(done.paths[0]) == pytest.approx(wanted, abs=1e-6)
    assert any("nearest copy of pixels 8 fine pixels large" in note for note in done.notes)
