"""Parts of networks and things done to networks, whatever their architecture.

What a training loop of one's own needs beside `lpa3bench.lpa3` is here by name; imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lpa3bench.nn.bank import ConsistencyBank, lowest
    from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain

_HOME = {
    "ConsistencyBank": "lpa3bench.nn.bank",
    "add_auxiliary": "lpa3bench.nn.batchnorm",
    "bn_domain": "lpa3bench.nn.batchnorm",
    "lowest": "lpa3bench.nn.bank",
}

__all__ = ["ConsistencyBank", "add_auxiliary", "bn_domain", "lowest"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
