"""Measurements: of speed, of seams, of skill.  Each runs as ``python -m benchmarks.NAME``."""
