"""Benchmark sets as they are distributed, brought into the form that training reads."""
