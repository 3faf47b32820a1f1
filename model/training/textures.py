"""Real images on disk, for worlds with their textures (``model.worlds.textured``)."""

import json
from pathlib import Path

import numpy as np

from model.block import Array
from model.training.scenes import TABLE, open_set, unpack
from model.worlds.spectra import BANDS
from model.worlds.textured import Texture


def read_textures(folder: Path) -> list[Texture]:
    """The real images of a folder: a scene set's fine images of its training dates, or ``*.npy``.

    An ``.npy`` is (band, y, x) or (time, band, y, x), float reflectance or int16 at 1e-4 (-9999
    unknown); ``NAME.json`` beside it says its ``bands``.  Raises ValueError where a band has no
    name that is known here, FileNotFoundError where there is no image.
    """
    found: list[Texture] = []
    if (folder / TABLE).exists():
        one = open_set(folder)
        files = dict.fromkeys(
            scene.files[role]
            for scene in one.split("train")
            for role in ("fine_before", "fine_after", "truth")
        )
        found = [
            Texture(name=f"{one.name}/{file}", bands=one.bands, image=_read(folder / f"{file}.npy"))
            for file in files
        ]
    else:
        for path in sorted(folder.glob("*.npy")):
            bands = tuple(json.loads(path.with_suffix(".json").read_text("utf-8"))["bands"])
            images = _read(path)
            images = images[None] if images.ndim == 3 else images
            found += [Texture(name=path.stem, bands=bands, image=image) for image in images]
    if not found:
        raise FileNotFoundError(f"no .npy in {folder}; give a scene set, or images with NAME.json")
    for texture in found:
        if unknown := set(texture.bands) - set(BANDS):
            raise ValueError(
                f"{texture.name} in {folder} has bands {sorted(unknown)}; known are {BANDS}"
            )
        if len(texture.bands) != len(texture.image):
            raise ValueError(
                f"{texture.name} in {folder} has {len(texture.image)} bands, "
                f"and names for {texture.bands}"
            )
    return found


def _read(path: Path) -> Array:
    image = np.load(path)
    return unpack(image) if image.dtype == np.int16 else np.asarray(image, np.float32)
