"""``daily30 plan`` of a region that is polygons in a file: the search moves, what lacks is told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.config import region_job
from pipeline.ingest import open_inputs
from tests.season import Season, make_season
from tests.synthetic import day


@pytest.fixture
def season(tmp_path: Path) -> Season:
    return make_season(tmp_path / "files", days=17)


def write_region(season: Season, geojson: dict[str, Any]) -> Path:
    """A region file with its polygons in a file beside it."""
    folder = season.folder.parent
    (folder / "place.json").write_text(json.dumps(geojson))
    grid = season.grid
    region = {
        "name": "valley",
        "geojson": "place.json",
        "start": day(4),
        "end": day(12),
        "catalog": "files/catalog.json",
        "fine": "fine",
        "coarse": "coarse",
        "method": "anomaly",
        "grid": {
            "crs": "EPSG:32633",
            "bounds_m": list(grid.fine.boundingbox.bbox),
            "ratio": grid.ratio,
            "tile_px": grid.tile,
        },
    }
    path = folder / "valley.yaml"
    path.write_text(yaml.safe_dump(region))
    return path


def triangle(west: float, south: float, side: float) -> dict[str, Any]:
    ring = [[west, south], [west + side, south], [west, south + side], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    features = [{"type": "Feature", "properties": {}, "geometry": geometry}]
    return {"type": "FeatureCollection", "features": features}


def test_a_region_of_polygons_is_planned_with_its_search_and_what_is_there(season: Season) -> None:
    box = season.grid.fine.geographic_extent.boundingbox
    region = write_region(season, triangle(box.left, box.bottom, 0.005))
    done = CliRunner().invoke(app, ["plan", str(region), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert len(region_job(region).polygons) == 1
    inputs = open_inputs(region_job(region).inputs)
    assert (inputs.fine.days, inputs.coarse.days) == (season.fine_days, season.coarse_days)
    assert re.search(r"^search: (\d+)/\1 months$", done.stderr, re.MULTILINE)
    assert f"fine: newest image {season.fine_days[-1]}" in done.stdout
    assert f"coarse: newest image {season.coarse_days[-1]}" in done.stdout


def test_images_that_touch_only_the_box_of_a_region_are_not_planned_with(season: Season) -> None:
    box = season.grid.fine.geographic_extent.boundingbox
    # Its box holds the images, in the corner that the triangle leaves out.
    region = write_region(season, triangle(box.left - 0.5, box.bottom - 0.5, 0.52))
    done = CliRunner().invoke(app, ["plan", str(region)])
    assert done.exit_code == 2
    assert "no usable item of fine" in done.stderr
    assert not region_job(region).inputs.exists()


def test_a_long_plan_is_told_by_its_first_tasks(season: Season, monkeypatch) -> None:
    box = season.grid.fine.geographic_extent.boundingbox
    region = write_region(season, triangle(box.left, box.bottom, 0.005))
    monkeypatch.setattr("flows.cli.MOST_TASKS", 1)
    done = CliRunner().invoke(app, ["plan", str(region), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert re.search(r"^and \d+ tasks more, all in .*plan\.json$", done.stdout, re.MULTILINE)
