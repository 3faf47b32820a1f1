"""Small scene sets of random images."""

from pathlib import Path
from typing import Any

import numpy as np

from model.block import COARSE_PAD
from model.training.scenes import COARSE, FILL, FINE, Scene, SceneSet, written_whole


def make_set(
    folder: Path,
    *,
    y: int = 48,
    x: int = 80,
    ratio: int = 16,
    coarse: str = "cells",
    bands: tuple[str, ...] = ("red", "nir08"),
    splits: tuple[str, ...] = ("train", "train", "validation"),
    patch: int = 32,
    stride: int = 16,
    min_known: float = 0.0,
    masks: dict[str, np.ndarray] | None = None,
    holes: dict[str, np.ndarray] | None = None,
    seed: int = 0,
) -> SceneSet:
    """One scene for each of ``splits``; ``masks`` are those of all, ``holes`` (y, x) or (row, col)
    where an image is unknown."""
    rng = np.random.default_rng(seed)
    cells = (y, x)
    if coarse == "cells":
        cells = y // ratio + 2 * COARSE_PAD, x // ratio + 2 * COARSE_PAD
    scenes = []
    with written_whole(folder) as new:
        for number, split in enumerate(splits):
            files = {}
            for role in (*FINE, *COARSE):
                shape = (len(bands), *((y, x) if role in FINE else cells))
                image = rng.integers(0, 6000, shape).astype(np.int16)
                if holes and role in holes:
                    image[:, holes[role]] = FILL
                files[role] = f"{role}-{number}"
                np.save(new / files[role], image)
            for role, mask in (masks or {}).items():
                files[role] = role
                np.save(new / role, mask.astype(np.uint8))
            days = (10 * number, 10 * number + 4, 10 * number + 8)
            scenes.append(Scene(name=f"scene-{number}", split=split, days=days, files=files))
        described: dict[str, Any] = {
            "centre": tuple(0.1 + 0.1 * band for band in range(len(bands))),
            "spread": (0.05,) * len(bands),
        }
        made = SceneSet(
            name="made-up",
            bands=bands,
            ratio=ratio,
            coarse=coarse,  # type: ignore[arg-type]
            patch_px=patch,
            stride_px=stride,
            min_known=min_known,
            origin="random numbers",
            licence="none",
            scenes=tuple(scenes),
            **described,
        )
        made.save(new)
    return made
