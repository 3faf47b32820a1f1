"""Clouds over a scene: what they do to the pixels and what the mask says of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.worlds.land import Field, rough_field

CLOUD = np.array([0.62, 0.60, 0.60, 0.64, 0.48, 0.36], np.float32)
"""Reflectance of a thick cloud in the six bands."""

MISSED = 0.035
"""Share of the ground under thin cloud that the mask misses (2 to 5 % in the field)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """Cloud and shadow over a scene, (y, x)."""

    opacity: Field
    """0 clear, 1 thick; thin rims are above 0 where ``cloud`` is not set."""
    cloud: NDArray[np.bool_]
    shadow: NDArray[np.bool_]
    dark: Field
    """Share of the light a shadow takes away."""


def draw_clouds(
    rng: np.random.Generator,
    shape: tuple[int, int],
    clear: float,
    *,
    size_px: float,
    shadow_px: tuple[int, int],
) -> Clouds:
    """Rags of many sizes that leave about ``clear`` of the ground free of cloud."""
    field = (
        rough_field(rng, shape, size_px)
        + 0.5 * rough_field(rng, shape, size_px / 4)
        + 0.25 * rough_field(rng, shape, max(size_px / 12, 1))
    )
    thick = np.quantile(field, clear)
    rim = np.quantile(field, max(clear - MISSED, 0))
    rise = max(field.max() - thick, 1e-6)
    opacity = np.where(
        field > thick,
        0.15 + 0.85 * np.clip(2 * (field - thick) / rise, 0, 1),
        np.clip((field - rim) / max(thick - rim, 1e-6), 0, 1) * 0.15,
    )
    cloud = field > thick
    shadow = np.roll(cloud, shadow_px, (0, 1)) & ~cloud
    dark = np.where(np.roll(opacity > 0.05, shadow_px, (0, 1)) & ~cloud, 0.45, 0.0)
    return Clouds(
        opacity=opacity.astype(np.float32),
        cloud=cloud,
        shadow=shadow,
        dark=dark.astype(np.float32),
    )


def covered(image: Field, clouds: Clouds) -> Field:
    """``image`` (band, y, x) as seen through the clouds."""
    shaded = image * (1 - clouds.dark)
    return (shaded + clouds.opacity * (CLOUD[:, None, None] - shaded)).astype(np.float32)
