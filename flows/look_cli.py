"""The commands that look at a plan, a scene or a cube and change nothing."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from flows.arguments import Cube, Day, Region, day_of

out = Console()
log = Console(stderr=True)


def explain(
    region: Region,
    day: Day,
    tile: Annotated[
        int | None, typer.Option(min=0, help="One tile, with all candidates and their costs.")
    ] = None,
) -> None:
    """Say why a day has the references it has, or none: all tiles by their answer, or one in full.

    The candidates of a `--tile` stand in the order of their cost in days: their distance, what is
    not clear, clear pixels near clouds, and another season; the pair of least cost is taken.
    """
    from flows.config import region_job
    from flows.show import lines
    from pipeline.explain import explain_day

    wanted = day_of(day)
    lines(out, explain_day(region_job(region), wanted, tile=tile))


def mask(
    region: Region,
    day: Day,
    destination: Annotated[
        Path, typer.Option("--out", help="Where the picture goes; default mask-DATE.png.")
    ] = Path(),
    coarse: Annotated[
        bool, typer.Option("--coarse", help="The coarse image in place of the fine one.")
    ] = False,
) -> None:
    """Draw a day's scene, and over it what is masked and why, with shares."""
    from flows.config import region_job
    from flows.show import lines, table
    from pipeline.mask_picture import draw_mask
    from pipeline.prepare import items_of

    wanted = day_of(day)
    target = destination if destination != Path() else Path(f"mask-{wanted}.png")
    role: Literal["fine", "coarse"] = "coarse" if coarse else "fine"
    shares = draw_mask(items_of(region_job(region)), role, wanted, target)
    table(out, [{"pixels": name, "share": share} for name, share in shares.items() if share])
    lines(log, (f"picture: {target}",))


def status(cube: Cube) -> None:
    """Count what is in a cube: days, tile-days by status, gaps and their reasons."""
    from flows.show import lines
    from pipeline.run import cube_status

    lines(out, cube_status(cube).lines())


def export(
    cube: Cube,
    day: Day,
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The GeoTIFF to write.")],
    bands: Annotated[
        str | None, typer.Option(help="Some bands only, in this order, e.g. red,nir08.")
    ] = None,
    quality: Annotated[
        bool, typer.Option("--quality", help="Also write FILE.quality.tif: quality and ref_age.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Write a day as a cloud-optimised GeoTIFF, for QGIS.

    Numbers are int16 with scale 0.0001 and nodata -9999 told in the file: QGIS shows reflectance
    in natural colour. Tags tell the date, the references and what the cube was made from.
    """
    from flows.show import lines
    from pipeline.export import export_day

    done = export_day(
        cube,
        day_of(day),
        file,
        bands=tuple(bands.split(",")) if bands else (),
        quality=quality,
        overwrite=overwrite,
    )
    tiles = ", ".join(f"{count} {name}" for name, count in sorted(done.status.items()))
    lines(log, (f"{done.day}: {done.produced:.1%} of the region's pixels; tiles: {tiles}",))
    lines(out, (f"{path}" for path in done.paths))
