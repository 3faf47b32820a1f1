"""One image from plain GeoTIFFs, without catalogue or cube, and how near it is to the truth."""
