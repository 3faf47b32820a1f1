"""Sums that add up field by field."""

from dataclasses import fields
from typing import Self


class Additive:
    """Of dataclasses: ``a + b`` has the sum of each field, so that none can be forgotten."""

    __slots__ = ()

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]  # a dataclass
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})
