"""Pixels: grids, masks, cubes, pairs, tasks, products."""
