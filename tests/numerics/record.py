"""Writes the fingerprints anew: `cd tests && python -m numerics.record`.

It refuses to where a number has moved and the version that stands for it was not raised; after a change to
the scenarios themselves, `--scenarios-changed` says that this is why.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version as installed

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

from numerics.fingerprints import STORED, complaints, moved, unrecorded, version
from numerics.scenarios import every_scenario, measured

LIBRARIES = ("numpy", "scikit-learn", "torch", "torchvision")


def main(arguments: list[str]) -> int:
    scenarios = every_scenario()
    found = measured(scenarios)
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"versions": {}, "numbers": {}}
    refused = complaints(stored, found, scenarios)
    if refused and arguments != ["--scenarios-changed"]:
        sys.stderr.write("\n".join(refused.values()) + "\nNothing is written.\n")
        return 1
    changed = [*moved(stored["numbers"], found), *unrecorded(stored, found, scenarios).values()]
    written = {
        "libraries": {name: installed(name) for name in LIBRARIES},
        "versions": {s.owner: version(s.owner) for s in sorted(scenarios, key=lambda s: s.owner)},
        "numbers": found,
    }
    STORED.write_text(_text(written) + "\n")
    sys.stdout.write("\n".join(changed) + f"\nWritten: {STORED.name}, {len(found)} scenarios.\n")
    return 0


def _text(value: object, depth: int = 0) -> str:
    """JSON with a line for each quantity."""
    if depth == 3 or not isinstance(value, dict):
        return json.dumps(value)
    pad = " " * depth
    lines = (f"{pad} {json.dumps(key)}: {_text(item, depth + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{pad}}}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
