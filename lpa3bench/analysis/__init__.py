"""Measures what a run has trained. Knows torch; what is measured is drawn by `lpa3bench.report`."""
