"""What changes by the day: canopies by their calendars, the flood's level."""

import numpy as np

from model.worlds.land import Field
from model.worlds.recipe import Crop, Flood


def canopy(crop: Crop, day: Field) -> tuple[Field, Field]:
    """Green and dry share of the ground under a crop, by the day of its own calendar."""
    growth = _growth(crop, day)
    after = day - crop.harvest_day
    if crop.mown:
        again = np.clip(1 - 0.75 * np.exp(-np.maximum(after, 0) / 14), 0, 1)
        left = np.where(after > 0, again, 1.0)
        return (growth * left).astype(np.float32), np.where(after > 0, 0.12, 0.06).astype("f4")
    if crop.curve == "bell":
        green = growth
        ripening = day > (crop.greenup_day + crop.senescence_day) / 2
        dry = 0.85 * np.maximum(crop.canopy - growth, 0) * ripening
    else:
        ripe = np.float32(1) / _logistic(day - crop.senescence_day, crop.fall_days)
        green, dry = growth * (np.float32(1) - ripe), 0.85 * growth * ripe
    stubble = np.where(after > 18, 0.04, 0.45)
    second = np.zeros_like(growth)
    if crop.second_after_days is not None:
        second = 0.9 * crop.canopy / _logistic(after - crop.second_after_days, crop.rise_days)
    return (
        np.where(after > 0, 0.03 + 0.97 * second, green).astype(np.float32),
        np.where(after > 0, stubble * (1 - second), dry).astype(np.float32),
    )


def _logistic(since: Field, scale_days: float) -> Field:
    """What to divide by: huge before, 1 after, 2 at 0."""
    return np.asarray(1 + np.exp(np.clip(-since / scale_days, -80, 80)), np.float32)


def _growth(crop: Crop, day: Field) -> Field:
    """Green share before anything ripens (``bell``: and after) and before any cut."""
    if crop.curve == "logistic":
        return np.asarray(
            crop.canopy / _logistic(day - crop.greenup_day, crop.rise_days), np.float32
        )
    middle = (crop.greenup_day + crop.senescence_day) / 2
    distance = (day - middle) / ((crop.senescence_day - crop.greenup_day) / 2)
    if crop.mown:
        distance = np.minimum(distance, 0)
    return np.asarray(crop.canopy * np.exp(-np.log(2) * np.abs(distance) ** 3), np.float32)


def flood_level(flood: Flood | None, day: float) -> float:
    """Metres above the banks; 0 in ordinary days."""
    if flood is None:
        return 0.0
    since = day - flood.start_day
    if flood.shape == "linear":
        end = flood.rise_days + flood.stay_days + flood.fall_days
        sides = since / flood.rise_days, (end - since) / flood.fall_days
        return flood.crest_m * float(np.clip(min(sides), 0, 1))
    crest = flood.start_day + flood.rise_days
    falling = day - crest - flood.stay_days
    if since <= 0:
        return 0.0
    if day <= crest:
        return flood.crest_m * float(np.sin(np.pi / 2 * since / flood.rise_days))
    if falling <= 0:
        if flood.shape == "double":  # down to a third and up again while it stays
            return flood.crest_m * (
                2 / 3 + float(np.cos(2 * np.pi * (day - crest) / flood.stay_days)) / 3
            )
        return flood.crest_m
    return flood.crest_m * float(np.exp(-falling / flood.fall_days))
