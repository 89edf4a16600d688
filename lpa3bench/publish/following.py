"""Publishing a run while it is under way, in a process beside it. Whatever that does, the run goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lpa3bench.errors import BenchError
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.publish.target import Deadline, Target, has_key, is_disabled
from lpa3bench.publish.upload import STATE_FOLDER, UploadResult, upload
from lpa3bench.publish.wandb_run import WandbRun
from lpa3bench.runtime.counting import counted
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import RunInfo, Sink

LOG = Path(STATE_FOLDER) / "follow.log"
"""In the run directory: what the process beside it prints."""
PAUSE_SECONDS = 15.0
"""Between two uploads, at least."""
PAUSE_FACTOR = 10
"""A pause is this many times as long as the upload before it, so that the run loses little."""
CHECK_SECONDS = 0.5
"""Between two looks at whether the run is still under way."""


class FollowingProcess(Sink):
    """Starts `lpa3bench publish --follow`, in a session of its own, with nothing of the run's but its folder.

    Args:
        offline: write W&B's offline files and upload nothing.
        data, plugins: the data folder and `--plugin` files, for the images of augmentations.
        stream: takes the line that says what was started, or why nothing was; None: stderr.
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
        if is_disabled():
            self._print("W&B: nothing is published: WANDB_MODE=disabled")
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
            self._print(f"W&B: a process of its own publishes this run; it writes to {log}")
            if Target(offline="--offline" in self._options).uploads and not has_key():
                self._print(
                    "W&B: there is no key, so this run is written offline and nothing is uploaded; `wandb "
                    f"login` or WANDB_API_KEY, and `lpa3bench publish {info.folder}` uploads it at any time"
                )
        except Exception as error:  # no reason to end the run
            why = f"W&B: nothing is published meanwhile ({error})"
            self._print(f"{why}; `lpa3bench publish {info.folder}` publishes the run later")

    def _print(self, line: str) -> None:
        with suppress(OSError, ValueError):  # nor is a closed stream
            print(line, file=self._stream, flush=True)


def follow_run(
    path: Path,
    target: Target,
    *,
    timeout: float,
    last: Callable[[], WandbRun],
    tell: Callable[[str], None],
    pause: float = PAUSE_SECONDS,
) -> UploadResult:
    """Publish what a run has written so far, now and then, until it is over; then the rest of it.

    A run is over when its record is there or no process holds its lock. What goes wrong before that is handed
    to `tell` and tried again.

    Args:
        path: the run directory.
        timeout: seconds that one upload may take.
        last: reads what is published at the end.
        tell: takes a line for the log.
        pause: seconds between two uploads, at least.

    Raises:
        BenchError: the last upload failed.
    """
    folder = RunDirectory(path)
    due = time.monotonic() + pause
    while folder.in_use() and not folder.result.exists():
        if target.uploads and time.monotonic() >= due:
            began = time.monotonic()
            try:
                done = upload(read_run(path, images=False), path, target, Deadline(timeout))
                tell(f"{counted(done.rows, 'epoch')}: {done.status}")
            except BenchError as error:
                tell(str(error))
            took = time.monotonic() - began
            due = time.monotonic() + max(pause, PAUSE_FACTOR * took)
        time.sleep(CHECK_SECONDS)
    return upload(last(), path, target, Deadline(timeout))
