"""What is known of the benchmark sets: sizes, crops, dates, splits.

Splits as in the supplement of the SA-STF paper.  The crop of CIA is that of the published STF
code; the paper does not tell where its crops of LGC and AHB lie, only their sizes follow from its
counts of patches, so the corner may be given by the user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from catalogs import BANDS

Interleave = Literal["bil", "bsq"]
Triplet = tuple[date, date, date]

PATCH_PX, STRIDE_PX = 256, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSet:
    """One set, as a user has it on disk after unpacking."""

    name: str
    size: tuple[int, int]
    """Rows and columns of the images as distributed; the coarse ones are on the fine grid."""

    crop: tuple[int, int]
    """Rows and columns that are used."""

    corner: tuple[int, int]
    """First row and column of them."""

    full: int
    """The number that stands for reflectance 1; what is below 0 or above is clipped."""

    raw: Mapping[str, Interleave]
    """How the numbers of a file without a header follow each other: rows x bands x columns or
    bands x rows x columns, int16, little-endian.  No file tells a role's: it is not raw."""

    ratio: int
    """Fine pixels along a coarse one, to the nearest whole number."""

    splits: Mapping[str, tuple[Triplet, ...]]
    """Reference, target, reference."""

    origin: str
    licence: str
    bands: tuple[str, ...] = tuple(BANDS)
    """Of both sensors, in the order of the files."""

    @property
    def days(self) -> tuple[date, ...]:
        """Every date of a triplet, ascending."""
        return tuple(sorted({day for part in self.splits.values() for one in part for day in one}))

    def with_validation(self) -> "BenchmarkSet":
        """The last training triplet becomes the split "validation", to choose a model on: the
        papers have none.  Training loses every triplet that shows its target, so its number of
        patches is no longer theirs."""
        *training, last = self.splits["train"]
        kept = tuple(triplet for triplet in training if last[1] not in triplet)
        return replace(self, splits={**self.splits, "train": kept, "validation": (last,)})

    def patches(self, split: str) -> int:
        """How many patches of the paper's size and stride a split has."""
        rows, cols = (1 + -(-(side - PATCH_PX) // STRIDE_PX) for side in self.crop)
        return rows * cols * len(self.splits[split])


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _triplet(text: str) -> Triplet:
    before, target, after = map(_day, text.split())
    return before, target, after


def _consecutive(text: str) -> tuple[Triplet, ...]:
    days: Sequence[date] = [_day(word) for word in text.split()]
    return tuple(zip(days, days[1:], days[2:], strict=False))


CIA = BenchmarkSet(
    name="cia",
    size=(2040, 1720),
    crop=(1792, 1280),
    corner=(20, 106),
    full=10_000,
    raw={"fine": "bil", "coarse": "bsq"},
    ratio=20,
    splits={
        "train": _consecutive(
            "20011007 20011016 20011101 20011108 20011124 20011203 20020104 20020111 20020212 "
            "20020221 20020309 20020316 20020401"
        ),
        "test": (_triplet("20020410 20020417 20020426"),),
    },
    origin="Coleambally Irrigation Area, Landsat 7 ETM+ and MOD09GA at 25 m; Emelyanova et al. "
    "2013, doi 10.4225/08/5111AC0BF1229",
    licence="as the CSIRO Data Access Portal says at the doi; not for redistribution from here",
)

LGC = BenchmarkSet(
    name="lgc",
    size=(2720, 3200),
    crop=(2560, 2560),
    corner=(40, 32),
    full=10_000,
    raw={"fine": "bil", "coarse": "bsq"},
    ratio=20,
    splits={
        "train": (
            *_consecutive("20040416 20040502 20040705 20040806 20040822 20041025 20041126"),
            _triplet("20041025 20041126 20050302"),
            _triplet("20041126 20050302 20050403"),
        ),
        "test": (_triplet("20041228 20050113 20050129"),),
    },
    origin="Lower Gwydir Catchment, Landsat 5 TM and MOD09GA at 25 m; Emelyanova et al. 2013, "
    "doi 10.4225/08/5111AD2B7FEE6",
    licence="as the CSIRO Data Access Portal says at the doi; not for redistribution from here",
)

AHB = BenchmarkSet(
    name="ahb",
    size=(2480, 2800),
    # 17 x 19 patches, of which the paper's 2907 are nine times as many; it lists eight triplets.
    crop=(2304, 2560),
    corner=(0, 0),
    full=255,
    raw={},
    ratio=16,
    splits={
        "train": _consecutive(
            "20160607 20160826 20161013 20170525 20170610 20170728 20170829 20180512 20181003 "
            "20181019"
        ),
        "test": (_triplet("20150504 20150621 20150707"),),
    },
    origin="Ar Horqin Banner, Landsat 8 OLI and MOD09GA at 30 m, 8 bit; Li et al. 2020, "
    "doi 10.1007/s11432-019-2785-y",
    licence="as its authors say; not for redistribution from here",
)

SETS: Mapping[str, BenchmarkSet] = {one.name: one for one in (CIA, LGC, AHB)}
