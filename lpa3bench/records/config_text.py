"""Values as gin writes them, read back: whatever stands in a record, it is a value or none."""

from __future__ import annotations

import ast
from typing import Any


def value_of(text: str) -> Any:
    """The value that a text stands for, such as "0.02" or "(1, 'a')".

    Raises:
        ValueError: it is none, such as a reference (`@augmenters.LPA3()`), or one that nobody can write down.
    """
    try:
        value = ast.literal_eval(text)
        str(value).encode()  # half a character, or a number of more digits than Python writes
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        # `{[1]: 2}`; some thousand minus signs
        raise ValueError(f"no value ({type(error).__name__})") from error
    return value
