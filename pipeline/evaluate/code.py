"""Which code an answer and its score are of, as hashes of sources.

Not the commit: most commits change no method, and a tree with changes has none.  A method is its
module and all of ``model`` that it imports, so that work on one leaves the answers of the others.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from model.card import NETWORKS
from model.classical.naive import NAIVE
from pipeline.evaluate.store import files_sha

_ROOT = Path(__file__).resolve().parents[2]
_PIPELINE, _MODEL = _ROOT / "pipeline", _ROOT / "model"

_MODULES = {
    **dict.fromkeys(NAIVE, "model.classical.naive"),
    **dict.fromkeys(NETWORKS, "model.network_fuser"),
    "guided": "model.classical.guided",
    "linear-series": "model.classical.series",
    "whittaker": "model.classical.series",
}
_PEERS = "model.classical.peers"

_TOLD = {_MODEL / "card.py"}
"""What these say of a method is in ``MethodCard.sha``."""


@lru_cache(maxsize=64)
def method_code(method: str) -> str:
    """Of the code that answers by ``method``."""
    own = _closure(_file(_MODULES.get(method, _PEERS)))
    return _sha(own | _closure(_file("model.classical.fuser")))


_SCENES = {
    "RealSet": ("pipeline/real_sets.py",),
    "SceneFolder": ("pipeline/real_sets.py", "pipeline/evaluate/scene_folder.py"),
    "WorldChoice": ("pipeline/evaluate/worlds.py",),
    "SeasonChoice": ("pipeline/evaluate/worlds.py", "pipeline/evaluate/season.py"),
    "RegionChoice": (
        "pipeline/evaluate/region.py",
        "pipeline/references.py",
        "pipeline/corrections.py",
        "pipeline/images.py",
        "pipeline/pairs.py",
        "model/coarse_fill.py",
        "model/coarse_calm.py",
        "model/hole_fill.py",
        "model/upsample.py",
    ),
}
"""Of a world what simulates it is in its ``sha``."""


@lru_cache(maxsize=8)
def scene_code(kind: str) -> str:
    """Of the code that makes scenes of a kind of choice."""
    return _sha(_ROOT / name for name in _SCENES[kind])


@lru_cache(maxsize=1)
def world_code() -> str:
    """Of the code that simulates worlds."""
    return _sha(_closure(_file("model.worlds.timeline")))


@lru_cache(maxsize=1)
def score_code() -> str:
    """Of the code that scores."""
    here = [
        _PIPELINE / "evaluate" / f"{name}.py"
        for name in ("scores", "scored", "season", "roughness")
    ]
    return _sha([*here, *(_MODEL / "metrics").glob("*.py")])


def _sha(paths: Iterable[Path]) -> str:
    return files_sha(paths, _ROOT)


def _closure(first: Path) -> set[Path]:
    """A module and all of ``model`` that it imports, however far away."""
    found: set[Path] = set()
    waiting = [first]
    while waiting:
        path = waiting.pop()
        if path not in found and path not in _TOLD:
            found.add(path)
            waiting += _imports(path)
    return found


def _imports(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("model"):
            # ``from model import checkpoint`` imports a module, ``from model.block import Block``
            # what is in one.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from (file for name in names if (file := _file(f"{name}")).is_file())


def _file(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
