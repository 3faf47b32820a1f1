"""Simulated regions: land, weather of the sensors, everything known.  For training and tests."""
