"""How far a baseline's schedule must be stretched to take as many image passes as LP-A3 does.

    python benchmarks/equal_cost.py digits_pes digits_fixmatch … [--seed 0] [--out DIR] [--data DIR]

Runs each file as it is and with `augmenters/lpa3`, and prints the ratio of their counted forward equivalents
(a backward to the weights counts as two, to the image as one). The setting `equal_cost` of the file holds the
epochs times that ratio.
"""

from __future__ import annotations

import argparse

from paired import record


def main() -> None:
    """Run what is not there yet and print a line for each file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/benchmarks", metavar="DIR")
    parser.add_argument("--data", metavar="DIR")
    options = parser.parse_args()
    data = ["--data", options.data] if options.data else []
    for file in options.files:
        plain, hard, stretched = (
            record([file, *more, *data], options.seed, options.out)
            for more in ([], ["augmenters/lpa3"], ["--setting", "equal_cost"])
        )
        passes, wanted, now = (r["cost"]["forward_equivalents"] for r in (plain, hard, stretched))
        epochs = plain["cell"]["epochs"]
        print(
            f"{file}: LP-A3 takes {wanted / passes:.2f} times the passes, as {epochs} epochs stretched to "
            f"{epochs * wanted / passes:.0f} would; equal_cost has {stretched['cell']['epochs']} and takes "
            f"{now / wanted:.2f} of LP-A3's passes"
        )


if __name__ == "__main__":
    main()
