"""The training file: YAML in, ``model.training.config.TrainConfig`` out.

The keys are the fields of those dataclasses, checked by pydantic: a key that is none of them is
an error with the nearest one named.  Paths are relative to the file, in a file that comes with
daily30 and is called by its name to the current folder.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.yaml_file import fault_text, read_yaml
from model.card import DEFAULT_CHECKPOINT
from model.networks import SHAPES
from model.sastf.config import NetworkConfig
from model.training.config import DataConfig, TrainConfig

SHIPPED = Path(__file__).parent / "training"
"""Files that come with daily30; a name such as ``default`` means one of them."""


class TrainFileError(ValueError):
    """A training file that cannot be used; the message names file, key, value and cure."""


T = TypeVar("T")


class _Closed(BaseModel, Generic[T]):
    """A dataclass of which a file may not say more than its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held: T


def read_training(path: Path) -> TrainConfig:
    """Read and check a training file.  Raises TrainFileError with all its faults."""
    path = shipped(path, SHIPPED)
    there = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    content = read_yaml(
        path,
        TrainFileError,
        f"there is no training file {path}; {SHIPPED} holds {there} to begin from",
    )
    return training_of(content, path)


def shipped(path: Path, folder: Path) -> Path:
    """The file in ``folder`` that a bare name means; else the path itself."""
    ours = folder / f"{path}.yaml"
    return ours if not path.is_file() and ours.parent == folder and ours.exists() else path


def training_of(content: dict[str, Any], path: Path) -> TrainConfig:
    """The configuration that a file at ``path`` would hold.  Raises TrainFileError."""
    content = dict(content)
    method = content.pop("method", NetworkConfig.method)
    if method not in SHAPES:
        raise TrainFileError(f"{path}: no method {method!r} to train; known: {', '.join(SHAPES)}")
    faults: list[str] = []

    def checked(kind: Any, value: Any, above: Sequence[str]) -> Any:
        try:
            return _Closed[kind].model_validate({"held": value}).held
        except ValidationError as error:
            found = [{**fault, "loc": (*above, *fault["loc"][1:])} for fault in error.errors()]
            faults.extend(fault_text(fault, partial(_keys_of, method)) for fault in found)

    if "network" in content or method != NetworkConfig.method:
        network = checked(SHAPES[method], content.pop("network", {}), ["network"])
        content |= {"network": network} if network is not None else {}
    config = checked(TrainConfig, content, [])
    if faults:
        raise TrainFileError(f"{path}: {'; '.join(faults)}")
    ours = path.is_relative_to(Path(__file__).parent)
    return _resolved(config, Path.cwd() if ours else path.resolve().parent)


def _resolved(config: TrainConfig, base: Path) -> TrainConfig:
    def data(sources: tuple[DataConfig, ...]) -> tuple[DataConfig, ...]:
        return tuple(
            replace(
                one,
                worlds=one.worlds and base / one.worlds.expanduser(),
                scenes=one.scenes and base / one.scenes.expanduser(),
            )
            for one in sources
        )

    perceptual = config.loss.perceptual
    file = perceptual.weights_file
    perceptual = replace(perceptual, weights_file=file and base / file.expanduser())
    return replace(
        config,
        data=data(config.data),
        validation=replace(config.validation, data=data(config.validation.data)),
        loss=replace(config.loss, perceptual=perceptual),
        start=_start(config.start, base),
    )


def _start(start: Path | None, base: Path) -> Path | None:
    if start is None or str(start) == "default":
        return start and DEFAULT_CHECKPOINT
    return base / start.expanduser()


def _keys_of(method: str, section: Sequence[str]) -> list[str]:
    """The keys that may stand in a section, such as ("optimiser",) or ("data", "0")."""
    if list(section) == ["network"]:
        return [field.name for field in fields(SHAPES[method])]
    kind: Any = TrainConfig
    for name in section:
        if not name.isdigit():
            kind = _dataclass_in(get_type_hints(kind)[name])
    return [*(["method"] if not section else []), *(field.name for field in fields(kind))]


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that a field holds, or holds many of."""
    if is_dataclass(hint):
        return hint
    assert get_origin(hint) in (tuple, UnionType)
    return next(one for one in get_args(hint) if is_dataclass(one))
