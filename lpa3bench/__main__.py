"""`python -m lpa3bench` is the same command as `lpa3bench`."""

from __future__ import annotations

from lpa3bench.cli import main

if __name__ == "__main__":
    main()
