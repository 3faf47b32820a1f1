from dataclasses import replace
from pathlib import Path

import pytest

from model.card import describe
from pipeline.job import Job, JobError, Method, Source
from pipeline.recipe import Recipe, check_bands
from tests.synthetic import day, make_grid

CARD = replace(describe("linear"), name="sa-stf", bands=("green", "red", "nir08"))


@pytest.fixture
def job() -> Job:
    return Job(
        name="fields",
        grid=make_grid(),
        start=day(0),
        end=day(9),
        fine=Source(catalogs=("catalog.json",), collections=("fine",)),
        coarse=Source(catalogs=("catalog.json",), collections=("coarse",)),
        method=Method(checkpoint="weights"),
        cube=Path("/data/fields.zarr"),
    )


@pytest.mark.parametrize(
    ("slots", "bands", "fits"),
    [
        (False, ("green", "red", "nir08"), True),
        (False, ("red", "green", "nir08"), False),
        (False, ("red",), False),
        (True, ("green", "red", "nir08"), True),
        (True, ("nir08", "red"), True),
        (True, ("red",), True),
        (True, ("red", "swir16"), False),
        (True, (), False),
    ],
)
def test_a_checkpoint_takes_its_bands_and_one_with_slots_any_of_them(
    job: Job, slots: bool, bands: tuple[str, ...], fits: bool
) -> None:
    card = replace(CARD, slots=slots)
    if fits:
        check_bands(job, card, bands)
        return
    some = "some of " if slots else ""
    with pytest.raises(JobError, match=rf"is made for {some}the bands green, red, nir08, but fine"):
        check_bands(job, card, bands)


def test_a_method_without_bands_takes_any(job: Job) -> None:
    check_bands(job, replace(CARD, bands=None), ("lwir11",))


def test_a_recipe_passes_on_addresses_without_their_keys(job: Job) -> None:
    keys = ("https://me:secret@stac.example.com/v1", "https://stac.example.com/v1?key=secret")
    job = replace(job, fine=Source(catalogs=keys, collections=("fine",)))
    recipe = Recipe(
        job=job, bands=("red",), halo=0, sha="0" * 64, centre=(0.1,), spread=(0.1,)
    ).to_dict()
    assert "secret" not in str(recipe)
    assert Recipe.from_dict(recipe).job.fine.catalogs == ("https://stac.example.com/v1",)
