"""The sources of a configuration, by kind."""

from collections.abc import Sequence

from model.training.config import Augment, DataConfig, TrainConfig
from model.training.example import Source
from model.training.mixed import InSlots, Mixed
from model.training.patches import PatchSource
from model.training.world_source import WorldSource


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
        )
        named[_unused(one.folder.name, named)] = InSlots(source, bands)
    return named


def _source_of(
    one: DataConfig, *, seed: int, patch: int, augment: Augment, examples: int
) -> Source:
    if one.worlds is not None:
        return WorldSource(
            one.folder,
            seed=seed,
            examples=examples,
            patch=patch,
            augment=augment,
            worlds=one.count,
        )
    return PatchSource(one.folder, split=one.split, patch=patch, augment=augment, seed=seed)


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
