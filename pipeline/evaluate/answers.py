"""A method on a scene: the task, and the answer it leaves on disk."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from model.block import Array
from model.fuser import Fuser, load_fuser
from pipeline.evaluate.choices import MethodChoice, SetChoice
from pipeline.evaluate.code import scene_code
from pipeline.evaluate.contenders import Contender
from pipeline.evaluate.cost import measured
from pipeline.evaluate.sets import Source, open_source
from pipeline.evaluate.store import fingerprint, read_if, slug, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTask:
    """The address of an answer."""

    choice: SetChoice
    set: str
    scene: str
    method: MethodChoice
    identity: str

    def __str__(self) -> str:
        return f"{self.method.label} on {self.set}, {self.scene}"

    @classmethod
    def of(
        cls, choice: SetChoice, source: Source, scene: str, contender: Contender
    ) -> "AnswerTask":
        code = scene_code(type(choice).__name__)
        return cls(
            choice=choice,
            set=source.name,
            scene=scene,
            method=contender.choice,
            identity=fingerprint(source.sha, code, scene, contender.identity),
        )

    def path(self, folder: Path) -> Path:
        """Of the answer below an evaluation's folder, without its ending."""
        place = folder / "answers" / slug(self.set) / slug(self.scene)
        return place / slug(self.method.label)

    def cost(self, folder: Path) -> dict[str, Any] | None:
        """What the answer cost; None where it is yet to be made."""
        return read_if(self.path(folder).with_suffix(".json"), self.identity)

    def answer(self, folder: Path) -> Array:
        """(time, band, y, x), mapped."""
        image: Array = np.load(self.path(folder).with_suffix(".npy"), mmap_mode="r")
        return image


def fuse_scene(task: AnswerTask, *, folder: Path, device: str) -> dict[str, Any]:
    """Make an answer and keep it."""
    fuser = _fuser(task.method, device)
    scene = open_source(task.choice).read(task.scene)
    with measured() as cost:
        answer = fuser.fuse(scene.block).reflectance
    path = task.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)  # that of an answer of other code
    np.save(path.with_suffix(".npy"), answer)
    known = {"identity": task.identity, "pixels": answer[:, 0].size, **asdict(cost)}
    write_whole(path.with_suffix(".json"), known)
    return known


@lru_cache(maxsize=8)
def _fuser(method: MethodChoice, device: str) -> Fuser:
    # Once a process: a network takes seconds to load, compiled kernels to compile.
    return load_fuser(
        method.method, method.checkpoint, device=device, steps=method.steps, samples=0
    )
