"""Pixel noise, as an augmenter for lpa3bench."""
