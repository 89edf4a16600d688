"""What a pickle from a stranger may do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Attack:
    """Unpickles by calling a function: it makes the folder `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)
