"""The sources of a configuration, by kind."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from model.training.config import Augment, DataConfig, TrainConfig
from model.training.example import Source
from model.training.mixed import InSlots, Mixed
from model.training.patches import PatchSource
from model.training.pool import CARD, WorldCard
from model.training.scenes import open_set
from model.training.world_source import WorldSource
from model.upsample import upsampling_of


def training_source(config: TrainConfig) -> Source:
    """Everything a network is trained on, as one source.  Raises what the sources raise."""
    sources = [
        _source_of(
            one,
            seed=config.seed,
            patch=config.patch_px,
            augment=config.augment,
            # Endless worlds have as many as are asked for; with others Mixed draws what it needs.
            examples=config.examples_per_epoch or 0,
            frame=config.frame,
            alike=config.alike,
        )
        for one in config.data
    ]
    return _together(sources, [one.share for one in config.data], config, config.examples_per_epoch)


def validation_sources(config: TrainConfig, bands: tuple[str, ...]) -> dict[str, Source]:
    """What a network of ``bands`` is chosen on, by the name of its folder; never flipped."""
    named: dict[str, Source] = {}
    for one in config.validation.data:
        source = _source_of(
            one,
            seed=config.seed,
            patch=config.validation.patch_px,
            augment="none",
            examples=config.validation.examples,
            frame=config.frame,
        )
        named[_unused(one.folder.name, named)] = InSlots(source, bands)
    return named


def describe(data: Sequence[DataConfig]) -> list[dict[str, Any]]:
    """What a card says of sources: enough to know whether a set was seen in training."""
    return [_worlds(one) if one.worlds is not None else _scenes(one) for one in data]


def _worlds(one: DataConfig) -> dict[str, Any]:
    found = sorted(path.parent for path in one.folder.glob(f"[!.]*/{CARD}"))[: one.count]
    cards = [WorldCard.read(folder) for folder in found]
    counts = Counter(f"{card.generator}, seed {card.seed}" for card in cards)
    textures = {card.texture for card in cards if card.texture is not None}
    return {"worlds": dict(counts), "textures": sorted(textures), "share": one.share}


def _scenes(one: DataConfig) -> dict[str, Any]:
    held = open_set(one.folder)
    return {
        "scenes": held.name,
        "split": one.split,
        "triplets": len(held.split(one.split)),
        "origin": held.origin,
        "licence": held.licence,
        "share": one.share,
    }


def _source_of(
    one: DataConfig,
    *,
    seed: int,
    patch: int,
    augment: Augment,
    examples: int,
    frame: str,
    alike: int = 1,
) -> Source:
    if one.worlds is not None:
        return WorldSource(
            one.folder,
            seed=seed,
            examples=examples,
            patch=patch,
            augment=augment,
            worlds=one.count,
            upsample=upsampling_of(frame),
            alike=alike,
        )
    return PatchSource(
        one.folder,
        split=one.split,
        patch=patch,
        augment=augment,
        seed=seed,
        upsample=upsampling_of(frame),
    )


def _together(
    sources: Sequence[Source], shares: Sequence[float], config: TrainConfig, examples: int | None
) -> Source:
    """One source in the slots of the network, which are its own bands where none are named."""
    bands = config.bands or tuple(dict.fromkeys(b for source in sources for b in source.bands))
    if len(sources) > 1:
        return Mixed(sources, shares, seed=config.seed, examples=examples, bands=bands)
    return InSlots(sources[0], bands)


def _unused(name: str, named: dict[str, Source]) -> str:
    """``name``, or with a number where two folders are called the same."""
    number = 2
    unused = name
    while unused in named:
        unused, number = f"{name} {number}", number + 1
    return unused
