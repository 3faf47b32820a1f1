"""What a report is made of, whatever it is written as."""

from dataclasses import dataclass
from pathlib import Path

PICTURES = Path("pictures")
"""Where the pictures of a report lie, below its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    text: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Plain text; what stands between backquotes is code."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    text: str

    best: bool = False
    """Of its column."""

    quoted: bool = False
    """Somebody else's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of as many cells as ``head`` has; the first columns are text, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1
    """How many columns are text."""

    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    path: Path
    """Below the report's folder."""

    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What is opened by those who want to know more."""

    title: str
    blocks: "tuple[Element, ...]"


Element = Heading | Paragraph | Bullets | Table | Picture | Folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    title: str
    blocks: tuple[Element, ...]
