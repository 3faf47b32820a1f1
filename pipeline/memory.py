"""What processes that fuse do with memory they are done with."""

MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
"""Environment of a worker: keep freed memory for the next layer of the network.

Dask's own setting gives every 64 KiB back at once: a third of the time of a fusion went into
asking the kernel for the same pages again.  A worker's memory stays at its highest point, some
hundreds of megabytes.
"""
