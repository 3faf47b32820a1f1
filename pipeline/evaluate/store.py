"""Where an evaluation keeps what it has computed, and how it knows that it is still true.

answers/SET/SCENE/METHOD.npy    (time, band, y, x) float32, what a method answered
answers/SET/SCENE/METHOD.json   of what it is the answer, and what it cost; written last
scores/SET/SCENE.json           the scores of all methods on the scene
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def slug(name: str) -> str:
    """A name as part of a path.  Names that would become alike differ by a few hex digits."""
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def fingerprint(*parts: object) -> str:
    """One sha256 of things that JSON can tell."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def files_sha(paths: Iterable[Path], root: Path) -> str:
    """Of the names below ``root`` and the bytes of files, in the order of their names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            inside = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(root)}\0{inside}\n".encode())
    return total.hexdigest()


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """A JSON file that is there whole or not at all.  It has no NaN: None is written in its place
    and read again as None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(_without_nan(content), allow_nan=False), encoding="utf-8")
    beside.rename(path)


def read_if(path: Path, identity: str) -> dict[str, Any] | None:
    """What a file holds if it is of ``identity``; None if there is none, or of another."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and known.get("identity") == identity else None


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value
