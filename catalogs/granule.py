"""What the names of granules say: craft, place, day, processing.  Ids and files carry them.

Providers leave ``platform`` empty, give the middle of a wrong interval as ``datetime`` and drop
the processing date from the id; the name that the producer gave is right.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime

_NAMES = (
    # LC08_L2SP_033032_20231008_20231017_02_T1; catalogues leave out the second date, append _SR.
    re.compile(
        r"(?P<product>L[COTE]0\d)_L\w{3}_(?P<place>\d{6})_(?P<day>\d{8})_"
        r"(?:(?P<made>\d{8})_)?(?P<version>\d\d)_(?P<tier>T1|T2|RT)(?:_S[RT](?![_0-9A-Za-z]))?"
    ),
    # MOD09GA.A2023121.h18v04.061.2023123040000; stactools leaves out the last part.
    re.compile(
        r"(?P<product>(?:MOD|MYD|MCD|VNP|VJ1|VJ2)\w{2,6})\.A(?P<day>\d{7})\."
        r"(?P<place>h\d\dv\d\d)\.(?P<version>\d{3})(?:\.(?P<made>\d{11,14}))?"
    ),
    # HLS.S30.T10TFT.2023215T190921.v2.0
    re.compile(
        r"HLS\.(?P<product>[LS]30)\.(?P<place>T\w{5})\.(?P<day>\d{7})T(?P<time>\d{6})\."
        r"v(?P<version>\d\.\d)"
    ),
)

_CRAFT = {
    "LC08": "landsat-8",
    "LO08": "landsat-8",
    "LC09": "landsat-9",
    "LO09": "landsat-9",
    "LE07": "landsat-7",
    "LT05": "landsat-5",
    "LT04": "landsat-4",
    "MOD": "terra",
    "MYD": "aqua",
    "VNP": "suomi-npp",
    "VJ1": "noaa-20",
    "VJ2": "noaa-21",
}

TILE_M = 1111950.5196666666
"""Side of a tile of the sinusoidal grid of MODIS and VIIRS (stactools-modis)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granule:
    """A name taken apart."""

    product: str
    """``LC08``, ``MOD09GA``, ``S30``."""

    place: str
    """WRS path and row, sinusoidal tile, or MGRS tile."""

    day: date
    made: str
    """Time of processing, sortable, "" where the name does not tell."""

    tier: str
    text: str
    """The name itself, as far as it was understood."""

    @property
    def platform(self) -> str:
        """The craft, "" where the name does not tell."""
        return _CRAFT.get(self.product, _CRAFT.get(self.product[:3], ""))

    @property
    def acquisition(self) -> tuple[str, str, date]:
        """The same for all processings."""
        return self.product, self.place, self.day

    @property
    def corner_m(self) -> tuple[float, float] | None:
        """Upper left corner of a sinusoidal tile, x and y in metres."""
        if not self.place.startswith("h"):
            return None
        h, v = int(self.place[1:3]), int(self.place[4:6])
        return (h - 18) * TILE_M, (9 - v) * TILE_M


def granule(name: str) -> Granule | None:
    """The granule that an id or a file's name starts with, None for other names."""
    for pattern in _NAMES:
        if (found := pattern.match(name)) is None:
            continue
        known = found.groupdict()
        try:
            day = datetime.strptime(known["day"], "%Y%m%d" if len(known["day"]) == 8 else "%Y%j")
        except ValueError:
            return None
        return Granule(
            product=known["product"],
            place=known["place"],
            day=day.date(),
            made=known.get("made") or "",
            tier=known.get("tier") or "",
            text=found[0],
        )
    return None
