"""Parameters, schedules and the command line; the pixels are in ``pipeline``."""
