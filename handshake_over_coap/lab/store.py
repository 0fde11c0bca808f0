"""The file of a sweep: parts while it is being made, one Parquet file at the end.

While a sweep runs, ``FILE.parts`` holds its plan and one small Parquet file for each chunk that is
done.  Each is written under another name and renamed, so that a part is whole or absent whenever
the process is killed; a part that is damaged all the same is found when the sweep is resumed, and
done again.  At the end the parts are joined, in the order of the plan and as a stream, under
another name too, and the folder is removed: FILE is whole or absent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.chunks import Chunk, Plan, Rows
from handshake_over_coap.lab.metrics import columns
from handshake_over_coap.lab.scenario import Scenario, as_text, option_types
from handshake_over_coap.lab.software import differences
from handshake_over_coap.net.declared import ByDefault
from handshake_over_coap.net.fitting import alternatives

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP: Final = 10_000
"""Rows of a row group: fixed, so that equal rows make equal files, and few, as columns are many."""

_METADATA: Final = "handshake_over_coap.sweep"
_CHOSEN: Final = "handshake_over_coap.options"
_PLAN: Final = "plan.json"
_LOCK: Final = "lock"
_ALWAYS: Final = ("transport", "dtls", "auth", "encoding")
_NEVER: Final = frozenset({"psk", "key", "cert", "ca", "peer_key"})
"""Options that have no column: secrets and paths."""

_log = logging.getLogger(__name__)


class Store:
    """The parts of ``plan``, on their way to ``out``.

    Raises ConfigurationError, before any work, where ``out`` cannot be written or belongs to
    another sweep.  Use it as a context manager.
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        if out.is_dir():
            raise ConfigurationError(
                f"cannot write {str(out)!r}: it is a folder; name a file in it, such as "
                f"{str(out / 'sweep.parquet')!r}"
            )
        self.plan = plan
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self._identity = plan.identity()
        self._options = tuple(name for name in option_types() if name not in _NEVER)
        self._schema = _schema(self._options, plan)
        self._lock: int | None = None
        self.complete = self._is_complete()

    def __enter__(self) -> Self:
        if not self.complete:
            try:
                self.folder.mkdir(exist_ok=True)
                self._take_lock()
                self._claim()
            except FileExistsError:
                raise ConfigurationError(
                    f"{str(self.folder)!r} is to be the folder of what is done, and is a file: "
                    "move it away, or name another file"
                ) from None
            except OSError as error:
                raise _cannot_write(self.out, error) from error
        elif self._claimed() == self._identity:
            # Killed right after its end, before the folder was gone.
            self._remove_folder()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_complete(self) -> bool:
        """Whether the whole sweep stands in ``out`` already."""
        import polars as pl

        if not self.out.exists():
            return False
        found: object = None
        if self.out.is_file():
            with contextlib.suppress(pl.exceptions.PolarsError, OSError, ValueError):
                text = pl.read_parquet_metadata(self.out).get(_METADATA)
                found = None if text is None else json.loads(text)
        if found == self._identity:
            return True
        what = "holds another sweep" if found else "is there already and is no finished sweep"
        why = f" ({self._difference(found)})" if found else ""
        raise ConfigurationError(f"{str(self.out)!r} {what}: remove it, or name another file{why}")

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise ConfigurationError(
                f"another sweep is writing {str(self.out)!r}: wait for it, or name another file"
            ) from None

    def _claim(self) -> None:
        """Write the plan, or check that the folder has the same one."""
        path = self.folder / _PLAN
        found = self._claimed()
        if found is None:
            if any(self.folder.glob("*.parquet")):
                raise ConfigurationError(
                    f"{str(self.folder)!r} holds parts without a plan: remove it, or name another "
                    "file"
                )
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(self._identity), encoding="utf-8")
            temporary.replace(path)
        elif found != self._identity:
            raise ConfigurationError(
                f"{str(self.folder)!r} holds parts of another sweep ({self._difference(found)}): "
                "go on with that one, remove the folder, or name another file"
            )

    def _claimed(self) -> Any:
        """The plan in the folder, None if there is none that can be read."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
            return json.loads((self.folder / _PLAN).read_text(encoding="utf-8"))
        return None

    def _remove_folder(self) -> None:
        # The plan goes last: parts without one would belong to nobody.
        for part in self.folder.glob("*.parquet"):
            part.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _difference(self, found: Any) -> str:
        if not isinstance(found, dict):
            return "its plan cannot be read"
        said = []
        for name, value in self._identity.items():
            if name == "software":
                said += differences(found.get(name), value)
            elif found.get(name) != value:
                other = f"{name} {found.get(name)} there, {value} here"
                said.append("other options" if name == "options" else other)
        return ", ".join(said)

    def done(self) -> set[int]:
        """The chunks that are there; what is damaged or left over is removed."""
        import polars as pl

        whole: set[int] = set()
        for path in sorted(self.folder.iterdir()):
            if path.suffix == ".tmp":
                path.unlink()
            elif path.suffix == ".parquet":
                try:
                    index = int(path.stem)
                    rows = self.plan.chunk(index).count
                    part = pl.read_parquet(path)
                except (pl.exceptions.PolarsError, OSError, ValueError, IndexError):
                    part = None
                if part is None or part.height != rows or part.schema != self._schema:
                    _log.warning("the part %s is damaged and is done again", path)
                    path.unlink()
                else:
                    whole.add(index)
        return whole

    def add(self, chunk: Chunk, rows: Rows) -> None:
        """Keep the rows of a chunk."""
        import polars as pl

        head = (chunk.scenario_index, *_values(chunk.scenario, self._options))
        values = zip(*((*head, *row) for row in rows), strict=True)
        frame = pl.DataFrame(
            [
                pl.Series(name, column, kind)
                for (name, kind), column in zip(self._schema.items(), values, strict=True)
            ]
        )
        path = self._part(chunk.index)
        temporary = path.with_suffix(".tmp")
        try:
            frame.write_parquet(temporary, statistics=False)
            temporary.replace(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _cannot_write(path, error) from error

    def finish(self) -> None:
        """Join the parts into ``out`` and remove them."""
        import polars as pl

        temporary = self.folder / "whole.tmp"
        try:
            pl.scan_parquet(
                [self._part(index) for index in range(self.plan.chunks)], glob=False
            ).sink_parquet(
                temporary,
                row_group_size=ROW_GROUP,
                maintain_order=True,
                metadata={
                    _METADATA: json.dumps(self._identity),
                    _CHOSEN: json.dumps(_chosen(self.plan.scenarios)),
                },
            )
            temporary.replace(self.out)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _cannot_write(self.out, error) from error
        self._remove_folder()

    def _part(self, index: int) -> Path:
        return self.folder / f"{index:08}.parquet"


def _cannot_write(path: Path, error: Exception) -> ConfigurationError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ConfigurationError(
        f"cannot write {str(path)!r}: {reason}; name a file in an existing folder that this user "
        "may write to and that has space left"
    )


def _chosen(scenarios: tuple[Scenario, ...]) -> tuple[str, ...]:
    """The options that tell scenarios apart: the principal ones, and what is not at its default."""
    changed = {name for scenario in scenarios for name in scenario.changed()}
    return tuple(name for name in option_types() if name in _ALWAYS or name in changed - _NEVER)


def chosen_options(out: Path) -> list[str]:
    """Those of the sweep in ``out``; all columns have a value, most of them the default."""
    import polars as pl

    names: list[str] = json.loads(pl.read_parquet_metadata(out)[_CHOSEN])
    return names


def _schema(options: tuple[str, ...], plan: Plan) -> pl.Schema:
    import polars as pl

    count, number = pl.UInt32(), pl.Float64()
    of_metrics: dict[str, pl.DataType] = {
        "completed": pl.Boolean(),
        "failure": pl.String(),
        "body_bytes": pl.List(pl.UInt32()),
        "floor_bytes": pl.List(pl.UInt32()),
    }
    metrics = {
        name: of_metrics.get(name, number if name.endswith(("_s", "_j")) else count)
        for name in columns(cpu=plan.cpu)
    }
    return pl.Schema({"scenario": count, **{name: _type_of(name) for name in options}, **metrics})


def _type_of(name: str) -> pl.DataType:
    """The column of an option; lists and unions are written out as on the command line."""
    import polars as pl

    plain = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}
    missing = (type(None), ByDefault)  # what is left to a timer is written as that has it
    kinds = [each for each in alternatives(option_types()[name]) if each not in missing]
    return plain.get(kinds[0], pl.String()) if len(kinds) == 1 else pl.String()


def _values(scenario: Scenario, options: tuple[str, ...]) -> Iterator[Any]:
    import polars as pl

    for name in options:
        value = scenario.used(name)
        if name == "encoding" and scenario.transport != "coap":
            value = None  # there is none, as in every report
        as_it_is = _type_of(name) != pl.String() or value is None or isinstance(value, str)
        yield value if as_it_is else as_text(value)
