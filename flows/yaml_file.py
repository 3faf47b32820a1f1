"""A YAML file that is checked by pydantic: reading it, and its faults in its own words."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml


def read_yaml(path: Path, kind: type[ValueError], absent: str) -> dict[str, Any]:
    """The keys and values of a YAML file.  Raises ``kind``; with the text ``absent`` where there
    is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise kind(absent) from error
    except (OSError, UnicodeDecodeError) as error:
        raise kind(f"cannot read {path}: {error}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise kind(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise kind(f"{path} must hold keys and values such as `name: demo`")
    return content


def fault_text(fault: Any, keys_of: Callable[[Sequence[str]], list[str]]) -> str:
    """One of pydantic's findings in the words of the file, with the cure where one is known.

    ``keys_of`` gives the keys that may stand in a section.
    """
    *section, name = map(str, fault["loc"] or [""])
    key = ".".join([*section, name])
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        keys = keys_of(section)
        close = difflib.get_close_matches(name, keys, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(keys)}"
        return f"unknown key {key}; {hint}"
    if fault["type"] == "missing":
        return f"{key} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{key} {message}" if key else message
    return f"{key}: {message[0].lower()}{message[1:]}, got {fault['input']!r}"
