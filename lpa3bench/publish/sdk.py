"""The only file that imports the W&B SDK: has it log a run, in a process of its own.

`python -m lpa3bench.publish.sdk` reads what to do on stdin (see `main`) and prints what became of it as JSON.
It may hang for as long as the server does, so whoever starts it sets it a limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import chdir
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lpa3bench.publish.target import in_netrc
from lpa3bench.runtime.reserved_stdout import reserved_stdout

DEFAULT_PROJECT = "lpa3bench"
REACH_SECONDS = 10.0
"""How long the server may take to answer anything at all."""
UNREACHABLE_WORDS = ("deadline", "timed out", "timeout", "retrying", "connection", "not respond")
"""In the text of an error of the SDK's for a server that does not answer."""
RUN_SETTINGS = {
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
    "x_server_side_derived_summary": True,
}
"""Keep the SDK from recording this process, its machine and its clock, which are not those that trained."""


def main() -> None:
    """Carry out `{"run": {…}, "online": …, "project": …, "entity": …, "seconds": …}`.

    Prints `{"key": …}`, whether there is a key for the server, and one of: `unreachable`, `refused` (the
    reasons), or `folder`, `online` and `url`.
    """
    with reserved_stdout() as replies:
        print(json.dumps(_carry_out(json.load(sys.stdin))), file=replies)


def _carry_out(order: Mapping[str, Any]) -> dict[str, Any]:
    import wandb
    from wandb.env import get_data_dir

    staging = Path(get_data_dir()).expanduser().absolute()
    staging.mkdir(parents=True, exist_ok=True)
    with chdir(staging):  # where the SDK's service, which is started here, finds what has a relative path
        known = wandb.setup().settings
    online = order["online"] and _has_key(known)
    reply: dict[str, Any] = {"key": _has_key(known), "online": online}
    if online and (reason := _unreachable(known.base_url, order["seconds"])):
        return reply | {"unreachable": f"{known.base_url}: cannot be reached ({reason})"}
    if online:  # what is written offline may be sent from anywhere by `wandb sync`
        _send_no_folders(staging)
    try:
        return reply | log_run(order["run"], online=online, project=order["project"], entity=order["entity"])
    except wandb.Error as error:
        what = "unreachable" if _is_unreachable(error) else "refused"
        return reply | {what: f"{known.base_url}: {' '.join(str(error).split())}"}


def _send_no_folders(staging: Path) -> None:
    """Have the manifests of artifacts, tables too, name staged copies of files relative to this folder.

    The SDK uploads where each copy lay on this machine, and no setting keeps it from that.
    """
    from wandb.sdk.interface.interface import InterfaceBase

    make = InterfaceBase._make_artifact_manifest

    def make_relative(*arguments: Any, **named: Any) -> Any:
        manifest = make(*arguments, **named)
        for entry in manifest.contents:
            if entry.local_path:
                entry.local_path = os.path.relpath(entry.local_path, staging)
        return manifest

    InterfaceBase._make_artifact_manifest = make_relative


def _is_unreachable(error: Exception) -> bool:
    """Whether the server does not answer; else it, or the SDK, has refused something.

    A wrong key and a wrong use have types of their own. Everything else comes as a `CommError` or a plain
    `Error`, with neither a cause nor a code: there the text alone tells a silent server from a refusal.
    """
    import wandb

    if isinstance(error, wandb.errors.AuthenticationError | wandb.errors.UsageError):
        return False
    return any(word in str(error).lower() for word in UNREACHABLE_WORDS)


def log_run(
    content: Mapping[str, Any], *, online: bool, project: str | None, entity: str | None
) -> dict[str, Any]:
    """Log the whole content under its id; online only the rows that W&B does not hold yet.

    What is None is left to the SDK, which reads the user's WANDB_… variables and settings file.

    Args:
        content: the fields of a `lpa3bench.publish.wandb_run.WandbRun`.
        online: upload; else write an offline run.
        project, entity: from our command line, where given.
    """
    import wandb

    known = wandb.setup().settings
    run = wandb.init(
        mode="online" if online else "offline",
        resume="allow" if online else None,
        id=content["id"],
        name=known.run_name or content["name"],
        project=project or known.project or DEFAULT_PROJECT,
        entity=entity,
        group=known.run_group or content["group"],
        job_type=known.run_job_type or content["job_type"],
        tags=[*dict.fromkeys([*content["tags"], *(known.run_tags or ())])],
        config=content["config"],
        allow_val_change=True,
        settings=wandb.Settings(
            **{name: value for name, value in RUN_SETTINGS.items() if hasattr(known, name)}
        ),
    )
    held = run.starting_step if run.resumed else 0
    _define(run, content["step_metrics"])
    rows = _rows(content)
    for step, row in enumerate(rows):
        if step >= held:
            _log_row(run, row, step)
    if media := _not_held(run, _media(run, content), _digests(content)):
        _log_row(run, media | _clock(rows), max(held, len(rows)))
    run.summary.update(_summary(content, rows) | media)
    if content["artifact"] is not None:
        artifact = wandb.Artifact(content["artifact"]["name"], type=content["artifact"]["type"])
        for name, path in content["artifact"]["files"].items():
            artifact.add_file(path, name=name)
        for name, text in content["artifact"]["texts"].items():
            with artifact.new_file(name, encoding="utf-8") as file:
                file.write(text)
        run.log_artifact(artifact)
    folder, url = str(Path(run.dir).parent), run.url if online else None
    run.finish()
    return {"folder": folder, "url": url}


def _define(run: Any, step_metrics: list[str]) -> None:
    """Every chart runs over the first of these columns; a user may choose another."""
    for name in step_metrics:
        run.define_metric(name, hidden=True)
    if step_metrics:
        run.define_metric("*", step_metric=step_metrics[0])


def _rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The history, without values that are None."""
    rows = [{name: value for name, value in row.items() if value is not None} for row in content["rows"]]
    for row, when, seconds in zip(rows, content["times"], content["seconds"], strict=True):
        row |= {"_timestamp": when, "_runtime": seconds}
    return rows


def _log_row(run: Any, row: dict[str, Any], step: int) -> None:
    """As `run.log` does, whose service puts its own clock into `_runtime`, whatever stands there."""
    run._interface.publish_history(run, row, step)


def _clock(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the clock shows when the last of them is written; of a board there are none."""
    return (
        {name: rows[-1][name] for name in ("_timestamp", "_runtime")} if rows else {"_timestamp": time.time()}
    )


def _summary(content: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The last value of each column, and what the run says of itself; nothing that is None.

    The SDK would see to the first by itself, and to the seconds that this process took.
    """
    last = {name: value for row in rows for name, value in row.items()}
    clock = {"_wandb": {"runtime": round(last["_runtime"])}} if rows else {}
    own = {name: value for name, value in content["summary"].items() if value is not None}
    return last | clock | own


def _media(run: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Images, tables and pages, to be logged in a row after the others: they are files, and may be lost
    alone. What a chart is, is no file: the run's config is told of it every time."""
    import wandb

    media: dict[str, Any] = {
        key: wandb.Image(image["path"], caption=image["caption"]) for key, image in content["images"].items()
    }
    media |= {key: wandb.Html(path, inject=False) for key, path in content["pages"].items()}
    for key, told in content["tables"].items():
        table = wandb.Table(columns=told["columns"], data=told["data"], allow_mixed_types=True)
        if told["chart"] is None:
            media[key] = table
            continue
        title = key.rpartition("/")[2].replace("_", " ")
        fields = {name: name for name in told["columns"]}
        chart = wandb.plot_table(told["chart"], table, fields, string_fields={"title": title})
        chart.set_key(key)
        run._config_callback(key=chart.spec.config_key, val=chart.spec.config_value)
        media[chart.spec.table_key] = table
    return media


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    paths = {key: image["path"] for key, image in content["images"].items()} | content["pages"]
    return {key: hashlib.sha256(Path(path).read_bytes()).hexdigest() for key, path in paths.items()}


def _not_held(run: Any, media: dict[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Those media that W&B does not hold: the summary names the file of each, and W&B is asked for the files.

    Args:
        digests: of those media whose content may differ from what W&B holds under the same key.
    """
    import wandb

    named = {key: dict(run.summary[key]) for key in media if key in run.summary.keys()} if run.resumed else {}  # noqa: SIM118 (no dict)
    named = {key: held for key, held in named.items() if digests.get(key) in (None, held.get("sha256"))}
    if not named:
        return media
    asked = wandb.Api().run(f"{run.entity}/{run.project}/{run.id}")
    sizes = {file.name: file.size for file in asked.files(names=[held["path"] for held in named.values()])}
    return {
        key: value
        for key, value in media.items()
        if key not in named or sizes.get(named[key]["path"]) != named[key]["size"]
    }


def _unreachable(url: str, seconds: float) -> str | None:
    """Why no server answers there; None if one does, whatever it says."""
    try:
        with urlopen(Request(url, method="HEAD"), timeout=min(REACH_SECONDS, seconds)):
            return None
    except HTTPError:
        return None
    except (URLError, OSError, HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _has_key(settings: Any) -> bool:
    """Whether the SDK would find a key without asking anybody for one."""
    if settings.api_key or getattr(settings, "identity_token_file", None):
        return True
    return in_netrc(settings.base_url)


if __name__ == "__main__":
    main()
