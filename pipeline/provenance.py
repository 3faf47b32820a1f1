"""Where the values of a cube come from, told in its attributes.

Of a tile-day the tables tell: ``status``, ``ref_prev`` and ``ref_next``, ``plan_hash``,
``model_sha``; of a pixel ``quality`` and ``ref_age``.  What holds for the whole cube is here.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from catalogs import local_path, redact
from pipeline.chosen import gap_name
from pipeline.ingest import Collected, open_inputs
from pipeline.job import Job
from pipeline.recipe import Recipe, load_recipe, plan_path
from pipeline.version import VERSION, commit, now, software

_REFERENCES = {
    "sa-stf": "SA-STF: https://github.com/ZZZhangjinsong/SA-STF; residual diffusion: J. Liu et "
    "al., Residual Denoising Diffusion Models, CVPR 2024",
    "stfdiff": "STFDiff: H. Huang et al., Information Fusion 2024; our own code and weights",
}
"""By method; the others have none but the code."""


def provenance(job: Job, known: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a cube for what it was made from, by what, and on whose behalf.

    ``known`` are those it has.  The same plan gives the same ones: the clock is in
    ``date_created``, when the cube was laid out, and in ``history``, which has a line for each
    code, method and settings that wrote to the cube, not one for each run.
    """
    recipe = load_recipe(plan_path(job))
    inputs = open_inputs(job.inputs)
    listed = (job.inputs / "items.json").read_bytes()
    items_sha = hashlib.sha256(listed).hexdigest()
    fine, coarse = _collected(inputs.fine), _collected(inputs.coarse)
    images = ", ".join(
        f"{count} images of {name}" for name, count in {**fine["items"], **coarse["items"]}.items()
    )
    code = {"version": VERSION, "commit": commit()}
    return {
        "id": job.name,
        "title": f"Daily surface reflectance of {job.name}",
        "summary": f"Surface reflectance on every day, on a grid of {_metres(job)} m, from "
        f"{job.fine} and {job.coarse}: seen clear by the fine sensor that day, or fused by "
        f"{_by(job)} from clear images of other days and the coarse image of the day. "
        "quality tells of each pixel how it came about, status of each tile and day, and "
        "ref_prev and ref_next from which dates.",
        "institution": job.institution,
        "license": job.license,
        "source": f"{images} (their list has the sha256 {items_sha}), fused by "
        f"{job.method.name} ({recipe.sha})",
        "references": "; ".join(
            dict.fromkeys(
                _REFERENCES.get(one.name, f"daily30 {VERSION}, model/classical")
                for one in job.method.each
            )
        ),
        "history": _history(known["history"], job, recipe),
        "product_version": VERSION,
        "daily30_run": {
            "job": _shown(job),
            "code": code,
            "method_sha": recipe.sha,
            "weights_sha256": job.method.card().weights,
            "items": f"{job.inputs.name}/items.json",
            "items_sha256": items_sha,
            "fine": fine,
            "coarse": coarse,
            "centre": list(recipe.centre),
            "spread": list(recipe.spread),
            "sensors": {
                "calibration": {
                    band: asdict(line)
                    for band, line in zip(recipe.bands, recipe.measured.lines, strict=True)
                },
                "shift_cells": list(recipe.measured.shift),
            },
            **_uncertainty(recipe),
        },
    }


def sensor_lines(attrs: Mapping[str, Any]) -> tuple[str, ...]:
    """How the coarse images relate to the fine ones, from the attributes of a cube."""
    if not (known := attrs.get("daily30_run", {}).get("sensors")):
        return ()
    bands = ", ".join(
        f"{band} {line['gain']:.2f} {line['bias']:+.3f}"
        for band, line in known["calibration"].items()
    )
    cells = max((line["cells"] for line in known["calibration"].values()), default=0)
    if not cells:
        return ("fine against coarse: no day with enough of both to compare them",)
    down, right = known["shift_cells"]
    return (
        f"fine against coarse, gain and bias: {bands}; from {cells} cells, coarse lies "
        f"{down:+.2f} cells down and {right:+.2f} right",
    )


def _uncertainty(recipe: Recipe) -> dict[str, Any]:
    """What was done to the uncertainty that the method states; nothing where it states none."""
    told = [
        {
            "gap": gap_name(gap),
            "method": pick.used.name,
            "factor": float(f"{pick.used.sigma_factor:.4g}"),
            "why": pick.factor_why,
        }
        for gap, pick in enumerate(recipe.picks)
        if pick.factor_why
    ]
    return {"uncertainty": told} if told else {}


def _metres(job: Job) -> str:
    return " x ".join(dict.fromkeys(f"{abs(side):g}" for side in job.grid.fine.resolution.xy))


def _by(job: Job) -> str:
    """What fuses, in words."""
    names = [one.name for one in job.method.each]
    if len(names) == 1:
        return names[0]
    return f"what did best on held-out dates of {', '.join(names)} (method, daily30_validation)"


def _history(was: str, job: Job, recipe: Recipe) -> str:
    """``was`` and a line for this code, method and settings, unless it ends with one of them."""
    what = f"{software()} fused by {job.method.name} {recipe.sha[:16]}, settings {recipe.code:08x}"
    last = was.rpartition("\n")[2]
    return was if last.partition(": ")[2] == what else f"{was}\n{now()}: {what}"


def _collected(collected: Collected) -> dict[str, Any]:
    """How many items of which collections there are, and from when."""
    counts = Counter(item.collection_id for item in collected.items)
    return {
        "items": {name: counts[name] for name in collected.specs},
        "first": collected.days[0].isoformat(),
        "last": collected.days[-1].isoformat(),
    }


def _shown(job: Job) -> dict[str, Any]:
    """A job as others may see it: no passwords, no tokens, no folders of this machine.

    The grid is in the cube already, and ``weights_sha256`` tells the checkpoint.
    """
    known = job.to_dict()
    for name in ("cube", "grid"):
        del known[name]
    del known["method"]["checkpoint"]
    for role in ("fine", "coarse"):
        known[role]["catalogs"] = [_catalog_shown(href) for href in known[role]["catalogs"]]
    return known


def _catalog_shown(href: str) -> str:
    path = local_path(href)
    return redact(href) if path is None else path.name
