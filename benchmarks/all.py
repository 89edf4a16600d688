"""Every benchmark of speed, one after the other, and the page that is made of what they find. Run by hand:

    python benchmarks/all.py [start suite boards loop views step layout] [--short]

Without names all are run, which takes most of an hour; let nothing else run meanwhile. Each prints ratios
with their spread and keeps them in results/speed.json, of which docs/speed.md is then made. With --short they
make as few rounds as they can, to see that they run: nothing is kept, and no aim is missed. One that fails or
misses its aim does not keep the others from running; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = {
    "start": ("start.py", "--rounds 1"),
    "suite": ("suite.py", "--rounds 1 --runs 2"),
    "boards": ("boards.py", "--rounds 1 --times 1"),
    "loop": ("attack.py", "--rounds 1 --batch 4 --iterations 1"),
    "views": ("views.py", "--rounds 1"),
    "step": ("step.py", "--steps 1 --batch 4"),
    "layout": ("layout.py", "--rounds 1 --batch 4 --iterations 1"),
}
"""By name: the program, and its options for --short."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*PROGRAMS, []], metavar="NAME", help=", ".join(PROGRAMS))
    parser.add_argument("--short", action="store_true", help="as few rounds as can be; keep nothing")
    given = parser.parse_args()
    lines = {}
    for name in given.names or PROGRAMS:
        program, short = PROGRAMS[name]
        lines[name] = [str(HERE / program), *(short.split() if given.short else ["--keep"])]
    if not given.short:
        lines["docs/speed.md"] = [str(HERE / "readme_tables.py")]
    failed = []
    for name, line in lines.items():
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, *line]).returncode:
            failed.append(name)
    if failed:
        print(f"failed, or aims missed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
