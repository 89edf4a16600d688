"""The only file that knows the W&B SDK: writes a parcel as one of its offline runs, in a process of its own.

`python -m lpa3bench.sinks.wandb` reads an order on stdin (see `main`) and prints what became of it as JSON.
Nothing here reaches the network: an offline run is uploaded by `wandb sync` afterwards, because in an online
run `finish()` can hang for as long as the server does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT_PROJECT = "lpa3bench"
QUIET = {
    "console": "off",
    "silent": True,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""What the SDK would say of this process and its machine, which are not those that trained."""


def main() -> None:
    """Carry out `{"parcel": {…}, "project": …, "entity": …}`."""
    order = json.load(sys.stdin)
    print(json.dumps(write(order["parcel"], project=order["project"], entity=order["entity"])))  # noqa: T201


def write(parcel: Mapping[str, Any], *, project: str | None, entity: str | None) -> dict[str, Any]:
    """Write an offline run with all that the parcel holds, under its id.

    What is None is left to the SDK, so that the user's WANDB_… variables and settings file have their say.

    Args:
        parcel: the fields of a `lpa3bench.publish.parcel.Parcel`.
        project, entity: from our command line, where given.

    Returns:
        `folder` of the offline run, `base_url` of the server, and `key`: whether there is a key for it.
    """
    import wandb

    known = wandb.setup().settings
    run = wandb.init(
        mode="offline",
        id=parcel["id"],
        name=known.run_name or parcel["name"],
        project=project or known.project or DEFAULT_PROJECT,
        entity=entity,
        group=known.run_group or parcel["group"],
        job_type=known.run_job_type or parcel["job_type"],
        tags=[*dict.fromkeys([*parcel["tags"], *(known.run_tags or ())])],
        config=parcel["config"],
        settings=wandb.Settings(**{name: value for name, value in QUIET.items() if hasattr(known, name)}),
    )
    _define(run, parcel["step_metrics"])
    for step, row in enumerate(_rows(parcel)):
        run.log(row, step=step)
    run.summary.update({name: value for name, value in parcel["summary"].items() if value is not None})
    if parcel["artifact"] is not None:
        artifact = wandb.Artifact(parcel["artifact"]["name"], type=parcel["artifact"]["type"])
        for name, path in parcel["artifact"]["files"].items():
            artifact.add_file(path, name=name)
        run.log_artifact(artifact)
    folder = str(Path(run.dir).parent)
    run.finish()
    return {"folder": folder, "base_url": known.base_url, "key": _has_key(known)}


def _define(run: Any, step_metrics: list[str]) -> None:
    """Every chart runs over the first of these columns; a user may choose another."""
    for name in step_metrics:
        run.define_metric(name)
    if step_metrics:
        run.define_metric("*", step_metric=step_metrics[0])


def _rows(parcel: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The history, with images beside the last row and tables in rows of their own."""
    import wandb

    rows = [{name: value for name, value in row.items() if value is not None} for row in parcel["rows"]]
    for row, time in zip(rows, parcel["times"], strict=False):
        row["_timestamp"] = time
    if rows:
        rows[-1] |= {name: wandb.Image(path) for name, path in parcel["images"].items()}
    rows += [
        {name: wandb.Table(columns=table["columns"], data=table["data"], allow_mixed_types=True)}
        for name, table in parcel["tables"].items()
    ]
    return rows


def _has_key(settings: Any) -> bool:
    """Whether the SDK would find a key without asking anybody for one."""
    if settings.api_key or getattr(settings, "identity_token_file", None):
        return True
    try:
        return netrc(_netrc_file()).authenticators(urlsplit(settings.base_url).netloc) is not None
    except (OSError, NetrcParseError):
        return False


def _netrc_file() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    places = [Path.home() / ".netrc", Path.home() / "_netrc"]
    return next((place for place in places if place.exists()), places[0])


if __name__ == "__main__":
    main()
