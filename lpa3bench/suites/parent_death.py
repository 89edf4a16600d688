"""`python -m lpa3bench.suites.parent_death PID VERB …`: `lpa3bench VERB …` that does not outlive process PID.

On Linux the kernel kills it when process PID, its parent, ends, however that ends: a suite that is killed
leaves no run behind that would go on unseen and keep its directory locked. A run that is killed loses at most
the epoch in progress.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""


def die_with(parent: int) -> None:
    """Ask the kernel for a SIGKILL at the death of process `parent`, which exec keeps and fork does not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before the kernel was asked
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Become the command."""
    parent, *arguments = sys.argv[1:]
    die_with(int(parent))
    os.execv(sys.executable, [sys.executable, "-m", "lpa3bench", *arguments])


if __name__ == "__main__":
    main()
