"""Starts `lpa3bench publish --follow` beside a run. Whatever becomes of it, the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lpa3bench.training.sinks import RunInfo, Sink

LOG = Path(".wandb") / "mirror.log"


class Mirror(Sink):
    """A process of its own, in a session of its own, with nothing of the run's but the path of its folder.

    Args:
        offline: write W&B's offline files and upload nothing.
        data, plugins: the data folder and `--plugin` files, for the images of augmentations.
        stream: where a mirror that cannot be started is told of; None: stderr.
    """

    def __init__(
        self,
        *,
        offline: bool,
        data: Path | None = None,
        plugins: Iterable[Path] = (),
        stream: TextIO | None = None,
    ) -> None:
        self._options = ["--offline"] if offline else []
        for plugin in plugins:
            self._options += ["--plugin", str(plugin.absolute())]
        if data is not None:
            self._options += ["--data", str(data.absolute())]
        self._stream = stream or sys.stderr
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, info: RunInfo) -> None:
        if os.environ.get("WANDB_MODE", "").lower() == "disabled":
            self._tell("W&B: nothing is published: WANDB_MODE=disabled")
            return
        log = info.folder / LOG
        command = [sys.executable, "-m", "lpa3bench", "publish", "--follow", *self._options]
        try:
            log.parent.mkdir(exist_ok=True)
            with log.open("ab") as file:
                self.process = subprocess.Popen(
                    [*command, str(info.folder.absolute())],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            self._tell(f"W&B: a process of its own publishes this run; it writes to {log}")
        except Exception as error:  # the run must not end for want of a mirror
            self._tell(f"W&B: no mirror ({error}); `lpa3bench publish {info.folder}` publishes the run later")

    def _tell(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a closed stream is no reason either
            print(line, file=self._stream, flush=True)
