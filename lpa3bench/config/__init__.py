"""From gin files to an experiment.

`loading` is the only module that imports gin: it parses, and in the end builds. `reading` turns files and
options into layers, `bindings` says which line wins, `resolution` what can be reached from `run`,
`names`, `lint` and `typecheck` find wrong names and values, `operative` tells what it all adds up to,
`defaults` what of it defines a run, and `checking` does that for every setting of a file.
"""

from __future__ import annotations

from lpa3bench.config.checking import check_files
from lpa3bench.config.loading import Config, load_config, used

__all__ = ["Config", "check_files", "load_config", "used"]
