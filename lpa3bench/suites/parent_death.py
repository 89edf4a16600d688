"""`python -m lpa3bench.suites.parent_death PID VERB …`: `lpa3bench VERB …` that does not outlive process PID.

The kernel kills it when the process that started it ends, however that ends: a suite that is killed leaves no
run behind that would go on unseen and keep its directory locked. A run that is killed loses at most the epoch
in progress.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""


def main() -> None:
    """Put this process on the leash, which outlasts its becoming another program, and become the command."""
    master, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(master):  # it was gone before the leash was on
            os.kill(os.getpid(), signal.SIGKILL)
    os.execv(sys.executable, [sys.executable, "-m", "lpa3bench", *arguments])


if __name__ == "__main__":
    main()
