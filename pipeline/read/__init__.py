"""From items to arrays on the items' own grids, from any server that holds them.

layers.py     the door: what is read of an item, each file by its reader
native.py     an item's grid, and the part of it around a region
odc.py stack.py hdf.py   readers: rasters by odc-stac or stackstac, files of named data sets
fetch.py      whole files that cannot be read by ranges, kept for a while
access.py     tokens, by address          secrets.py    none of them in any text
file_check.py a raster against what its item and table say of it
retry.py      what is tried again, and for how long
"""

from pipeline.read.errors import ReadError
from pipeline.read.fetch import forget_files
from pipeline.read.layers import Loader, read_layers, words_of
from pipeline.read.native import native_geobox, window_around
from pipeline.read.secrets import keep_logs_clean

__all__ = [
    "Loader",
    "ReadError",
    "forget_files",
    "keep_logs_clean",
    "native_geobox",
    "read_layers",
    "window_around",
    "words_of",
]
