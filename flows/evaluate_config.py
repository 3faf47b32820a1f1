"""The evaluation file: which sets, which methods; checked before anything is read.

Paths are relative to the file.  The copy that is saved beside a report has them whole, and says in
``pinned`` what the report was made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)

from flows.config import region_job
from flows.train_config import shipped
from flows.yaml_file import fault_text, read_yaml

if TYPE_CHECKING:
    from pipeline.evaluate.choices import Evaluation, MethodChoice, SetChoice

SHIPPED = Path(__file__).parent / "evaluations"
"""Files that come with daily30; a name such as ``real-sets`` means one of them."""

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the real sets lie beside a checkout; they are no part of it."""


class EvaluationError(ValueError):
    """An evaluation file that cannot be used; the message names file, key, value and cure."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldConfig(_Section):
    """A simulated world, which no weights may have been trained on."""

    generator: Literal["train", "other"]
    """``train`` makes worlds of the kind that the weights of daily30 were trained on, ``other``
    those of another kind."""

    seed: int = Field(ge=100, le=199)
    """Seeds that no training may use (``model.worlds.timeline``)."""


class SetConfig(_Section):
    """One set: exactly one of ``real``, ``scenes``, ``world`` and ``region``."""

    real: str | None = None
    """A small real set by its name in ``pipeline.real_sets``: salton-sea, shenzhen, ..."""

    scenes: Path | None = None
    """Folder of a scene set: CIA, LGC, AHB as `daily30 sets import` writes them, or a region's
    triplets as `daily30 train-region` cuts them."""

    world: WorldConfig | None = None

    region: Path | None = None
    """A region file whose scenes `daily30 plan` or `daily30 fuse` has read: its clear fine dates
    are hidden in turn, with those around them."""

    groups: tuple[str, ...] = ()
    """Of a real set: only these of its groups of scenes."""

    split: str | None = None
    """Of a scene set: which of its splits; by default test."""

    hide_days: (
        Annotated[tuple[NonNegativeInt | Literal["one-sided"], ...], Field(min_length=1)] | None
    ) = None
    """Of a region or a world: fine images up to so many days from a target are hidden with it; by
    default 0, 8, 16, 32, a group each.  ``one-sided`` hides all later images, coarse ones too, as
    on the morning of the day."""

    roughness_days: Annotated[int, Field(ge=0)] | None = None
    """Of a world: so many days in the middle of its season are fused one after another by every
    method, to see whether they flicker; by default 24; 0: none."""

    extent: Literal["sample", "all"] | None = None
    """Of a region: a sample of its dates and tiles, or all of them; by default a sample."""

    @model_validator(mode="after")
    def _is_one_set(self) -> Self:
        kinds = (self.real, self.scenes, self.world, self.region)
        if sum(one is not None for one in kinds) != 1:
            raise ValueError("must say exactly one of real, scenes, world and region")
        if self.real is None and self.groups:
            raise ValueError("groups go with real; a scene set has a split")
        if self.scenes is None and self.split is not None:
            raise ValueError("split goes with scenes; a real set has groups")
        if self.hide_days is not None and self.region is None and self.world is None:
            raise ValueError("hide_days goes with region and world; a real set has groups")
        if self.roughness_days is not None and self.world is None:
            raise ValueError("roughness_days goes with world, where every day's truth is known")
        if self.extent is not None and self.region is None:
            raise ValueError("extent goes with region")
        return self


class MethodConfig(_Section):
    """A method that is more than its name."""

    method: str
    label: str | None = Field(default=None, min_length=1)
    """How its rows are called; by default the method and its checkpoint."""

    checkpoint: str | None = None
    """"default" or a checkpoint folder."""

    steps: int | None = Field(default=None, ge=1)
    """Reverse steps of the sampler; None takes the checkpoint's own number."""


class Pinned(_Section):
    """What a report was made of; with other data or weights the file is refused."""

    code: str
    data: dict[str, str]
    """sha256 by set."""

    weights: dict[str, str]
    """sha256 by label."""


class EvaluationConfig(_Section):
    """An evaluation file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")

    sets: tuple[SetConfig, ...] = Field(min_length=1)

    methods: tuple[MethodConfig, ...] = ()
    """Methods by name, or sections of ``method``, ``checkpoint``, ``label`` and ``steps``.  The
    naive ones take part in any case."""

    data: Path = REAL_DATA
    """Folder that holds those of the real sets."""

    pictures: Literal["all", "few", "none"] = "all"
    """``few``: one of each set, small enough to be kept in a repository."""

    pinned: Pinned | None = None

    @field_validator("methods", mode="before")
    @classmethod
    def _names_alone(cls, asked: object) -> object:
        if not isinstance(asked, list | tuple):
            return asked
        return [{"method": one} if isinstance(one, str) else one for one in asked]

    def evaluation(self, base: Path) -> Evaluation:
        """What is asked for, paths resolved against ``base``, the file's folder.

        Raises ValueError for two rows of one label and sets that are not known.
        """
        from pipeline.evaluate.choices import Evaluation, with_naive

        base = base.resolve()
        methods = with_naive(tuple(_method(one, base) for one in self.methods))
        labels = [one.label for one in methods]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(
                f"methods: two rows are called {', '.join(twice)}; give each a label of its own"
            )
        return Evaluation(
            name=self.name,
            sets=tuple(self._set(one, base) for one in self.sets),
            methods=methods,
            pictures=self.pictures,
        )

    def _set(self, one: SetConfig, base: Path) -> SetChoice:
        from pipeline.evaluate.choices import (
            ROUGHNESS_DAYS,
            RealSet,
            RegionChoice,
            SceneFolder,
            WorldChoice,
        )
        from pipeline.real_sets import READERS
        from pipeline.validate.hide import HIDE_DAYS

        if one.region is not None:
            return RegionChoice(
                job=region_job(_path(one.region, base)),
                hide_days=one.hide_days or HIDE_DAYS,
                extent=one.extent or "sample",
            )
        if one.world is not None:
            return WorldChoice(
                generator=one.world.generator,
                seed=one.world.seed,
                hide_days=one.hide_days or HIDE_DAYS,
                roughness_days=(
                    ROUGHNESS_DAYS if one.roughness_days is None else one.roughness_days
                ),
            )
        if one.scenes is not None:
            return SceneFolder(folder=_path(one.scenes, base), split=one.split or "test")
        assert one.real is not None
        if one.real not in READERS:
            raise ValueError(f"sets: no real set {one.real!r}; there are {', '.join(READERS)}")
        return RealSet(name=one.real, folder=_path(self.data, base), groups=one.groups)


def _method(one: MethodConfig, base: Path) -> MethodChoice:
    from model.card import METHODS
    from pipeline.evaluate.choices import MethodChoice

    if one.method not in METHODS:
        raise ValueError(f"methods: no method {one.method!r}; there are {', '.join(METHODS)}")
    checkpoint = one.checkpoint
    if checkpoint not in (None, "default"):
        checkpoint = str(_path(Path(str(checkpoint)), base))
    named = (
        one.method
        if checkpoint in (None, "default")
        else f"{one.method}, {Path(str(checkpoint)).name}"
    )
    return MethodChoice(
        method=one.method,
        label=one.label or (named if one.steps is None else f"{named}, {one.steps} steps"),
        checkpoint=checkpoint,
        steps=one.steps,
    )


def _path(path: Path, base: Path) -> Path:
    return base / path.expanduser()


def read_evaluation(path: Path) -> tuple[EvaluationConfig, Path]:
    """Read and check an evaluation file, or a shipped one by its name; and the folder its paths
    are relative to.  Raises EvaluationError with one message for all its faults."""
    path = shipped(path, SHIPPED)
    there = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    content = read_yaml(
        path,
        EvaluationError,
        f"there is no evaluation file {path}; {SHIPPED} holds {there} to begin from",
    )
    try:
        return EvaluationConfig.model_validate(content), path.parent
    except ValidationError as error:
        faults = "; ".join(fault_text(fault, _keys_of) for fault in error.errors())
        raise EvaluationError(f"{path}: {faults}") from error


def _keys_of(section: Sequence[str]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "": EvaluationConfig,
        "sets": SetConfig,
        "methods": MethodConfig,
        "pinned": Pinned,
    }
    return list(sections[section[0] if section else ""].model_fields)


def frozen(
    config: EvaluationConfig, base: Path, evaluation: Evaluation, pinned: Pinned
) -> dict[str, Any]:
    """The file to keep beside a report: whole paths, every label, and what it was made of."""
    base = base.resolve()
    sets = [one.model_dump(mode="json", exclude_defaults=True) for one in config.sets]
    for one in sets:
        one |= {key: str(_path(Path(one[key]), base)) for key in ("scenes", "region") if key in one}
    methods = [
        {
            key: value
            for key in ("method", "label", "checkpoint", "steps")
            if (value := getattr(one, key)) is not None
        }
        for one in evaluation.methods
    ]
    return {
        "name": config.name,
        "data": str(_path(config.data, base)),
        "sets": sets,
        "methods": methods,
        "pictures": config.pictures,
        "pinned": pinned.model_dump(),
    }
