"""The names of the W&B SDK that publishing goes by, in the version that is installed.

What they do is tried where runs are written offline and read again, in tests/cli/test_publish.py.
"""

from __future__ import annotations

import inspect

import wandb
from wandb.sdk.interface.interface import InterfaceBase

from lpa3bench.publish.sdk import RUN_SETTINGS


def test_every_setting_is_known_to_the_sdk() -> None:
    """One that is not would be left out without a word."""
    assert {*RUN_SETTINGS} <= wandb.Settings.model_fields.keys()


def test_what_is_no_part_of_its_public_interface_is_there() -> None:
    assert [*inspect.signature(InterfaceBase.publish_history).parameters][:4] == [
        "self",
        "run",
        "data",
        "step",
    ]
    assert [*inspect.signature(wandb.Run._config_callback).parameters] == ["self", "key", "val", "data"]
    assert callable(InterfaceBase._make_artifact_manifest)
