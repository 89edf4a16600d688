"""Fingerprints of the numbers that runs train to, so that none moves without anybody's knowing."""
