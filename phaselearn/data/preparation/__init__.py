"""From ideal pairs to what a network sees: measured, augmented, transformed and scaled."""
