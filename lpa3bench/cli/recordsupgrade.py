"""`lpa3bench records upgrade`: records of an older schema, rewritten in today's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError, error_line

if TYPE_CHECKING:
    from lpa3bench.config.names import Catalogue
    from lpa3bench.records import Record


@click.command()
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@plugin_option
@json_option
@click.pass_context
def command(ctx: click.Context, places: tuple[Path, ...], plugins: tuple[Path, ...], as_json: bool) -> None:
    """Rewrite records of an older schema in today's.

    DIR is a folder of runs, a run, a record, or a board or its results/. A record gets the identity that a
    run of its cell has today, so that new seeds stand beside it; on a board its file is called after it. No
    number changes. Records of today are left as they are; a damaged one is named, and then the exit code is
    4.
    """
    from lpa3bench.config.names import Catalogue
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.records import find_records, read_record

    catalogue = Catalogue(load_registry(plugins))
    files, done, failed = [*find_records(places)], 0, 0
    for path in files:
        try:
            done += _upgrade(read_record(path), catalogue)
        except DataError as error:
            say(error_line(error), err=True)
            failed += 1
    if as_json:
        click.echo(json.dumps({"records": len(files), "rewritten": done, "damaged": failed}, indent=1))
    say(f"{done} of {len(files)} records rewritten", err=True)
    if failed:
        ctx.exit(DataError.exit_code)


def _upgrade(record: Record, catalogue: Catalogue) -> bool:
    """Rewrite one, under the name that it has then; False: it is of today.

    Raises:
        DataError: nobody knows the numerics version of the engine that made it.
        RunFailed: the disk refused it.
    """
    from lpa3bench.config.defaults import identity_config
    from lpa3bench.records import Record, write_record
    from lpa3bench.records.version1 import upgraded
    from lpa3bench.training.identity import of_record

    if record.data.identity.recipe != 1:
        return False
    try:
        identity = of_record(record.data, identity_config(record.config, catalogue))
    except DataError as error:
        raise DataError(str(error), path=record.path) from error
    new = Record(upgraded(record.data, identity), record.path)
    in_place = record.path.name != record.file_name
    write_record(record.path if in_place else record.path.with_name(new.file_name), new.data)
    if not in_place and new.file_name != record.path.name:
        record.path.unlink()
    return True
