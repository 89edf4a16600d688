"""The plugin door: seven hooks, one per kind of plugin.

A distribution names one module in the entry-point group `lpa3bench`. That module marks functions with
`@hookimpl`; each is handed `register(name, plugin)`, where `plugin` is a class or, so that nothing heavy is
imported before a config names it, a string `"package.module:Class"`.

The module says which version of this door, and of the interfaces behind it, it was made for:
`LPA3BENCH_API = 2`. One that says nothing is taken to be made for this one.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

GROUP = "lpa3bench"
API_VERSION = 2
"""Raised where a plugin that was right would no longer be: a method renamed, a promise taken back. What is
only added raises nothing. A module made for another version is refused by name."""
KINDS = ("tasks", "augmenters", "backbones", "datasets", "labels", "metrics", "policies")

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """`register(name, plugin)`: names are unique over all kinds."""

    def __call__(self, name: str, plugin: type | str) -> None: ...


@hookspec
def register_tasks(register: Register) -> None:
    """Register training methods: subclasses of `lpa3bench.Task`."""


@hookspec
def register_augmenters(register: Register) -> None:
    """Register augmenters: subclasses of `lpa3bench.Augmenter`."""


@hookspec
def register_backbones(register: Register) -> None:
    """Register networks: subclasses of `lpa3bench.Backbone`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Register data sets: subclasses of `lpa3bench.Dataset`."""


@hookspec
def register_labels(register: Register) -> None:
    """Register what training labels can be: subclasses of `lpa3bench.Labels`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Register what predictions are scored by: subclasses of `lpa3bench.Metric`."""


@hookspec
def register_policies(register: Register) -> None:
    """Register what says how much a guess counts: subclasses of `lpa3bench.Policy`."""
