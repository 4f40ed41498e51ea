"""Measured reflections: files in, merged data out; numpy alone, no torch."""
