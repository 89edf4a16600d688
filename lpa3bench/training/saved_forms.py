"""The forms of the states that a run saves: nobody believes a file of another one. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from lpa3bench.errors import DataError
from lpa3bench.records.schema import Count, Number, Positive, RunIdentity
from lpa3bench.runtime.counting import counted
from lpa3bench.training.identity import identity_as_json, identity_changes

Threads = Annotated[int, Meta(ge=1, le=65536)]


class _Networks(Struct):
    """The part of a checkpoint that the environment wrote."""

    models: dict[str, dict[str, Any]]
    views: dict[str, Any]
    draws: dict[str, dict[str, Any]]
    passes: dict[str, Any]
    step: Count


class _Ledger(Struct):
    curve: list[dict[str, Number]]
    seconds: dict[str, float]
    steps: dict[str, Count]
    images: Count
    flops: dict[str, Count]
    resumed_from: list[Count]


class _Checkpoint(Struct):
    env: _Networks
    task: dict[str, Any]
    ledger: _Ledger
    threads: Threads
    device: str
    world_size: Positive
    identity: RunIdentity | None = None
    """None, or no seed: an earlier engine wrote it."""
    seed: Count | None = None


class _Best(Struct):
    epoch: Count
    models: dict[str, dict[str, Any]]
    task: dict[str, Any]
    probs: dict[str, Any] = msgspec.field(default_factory=dict)
    identity: RunIdentity | None = None
    seed: Count | None = None


def check_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Raises DataError where a state is no checkpoint of as many epochs as its file's name says."""
    _check(path, state, _Checkpoint)
    epochs = len(state["ledger"]["curve"])
    if path.stem.rpartition("-")[2] != f"{epochs:05d}":
        raise DataError(f"damaged (it is of {counted(epochs, 'epoch')})", path=path)


def check_best(path: Path, state: Mapping[str, Any]) -> None:
    """Raises DataError where a state is not what `best.pt` holds."""
    _check(path, state, _Best)


def whose(identity: RunIdentity, seed: int) -> dict[str, Any]:
    """What a state says of the run that it belongs to."""
    return {"identity": identity_as_json(identity), "seed": seed}


def strange(state: Mapping[str, Any], identity: RunIdentity, seed: int) -> str:
    """In what a state belongs to another run than this one, in one line; "": in nothing that it tells of."""
    if state.get("seed") not in (None, seed):
        return f"seed: {state['seed']} → {seed}"
    return identity_changes(state["identity"], identity) if state.get("identity") is not None else ""


def _check(path: Path, state: Mapping[str, Any], form: type[Struct]) -> None:
    try:
        msgspec.convert(state, form)
    except msgspec.ValidationError as error:
        raise DataError(f"damaged ({error})", path=path) from error
