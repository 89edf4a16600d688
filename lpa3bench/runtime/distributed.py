"""The processes that train one run together, as torchrun starts them; only this file knows torch.distributed.

Every process makes the same calls in the same order, each with its own rows of every batch, of which there
may be none. Whatever is drawn is drawn for the whole batch in each of them, whatever is a mean is a mean over
the whole batch, and parameters and memories are the same in all of them at every step. So the number of
processes moves a number by no more than rounding, and no call may hang on what one of them alone knows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lpa3bench.errors import BenchError, FailureKind, RunFailed, Stopped
from lpa3bench.runtime import device as devices

if TYPE_CHECKING:
    from torch import Tensor

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others before it gives the run up."""
VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
T = TypeVar("T")


class Lost(RunFailed):
    """Another process of the run has ended, or has not answered in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="lost")


class Shared(BenchError):
    """What went wrong in one process, and therefore ends all of them."""

    def __init__(self, message: str, exit_code: int, kind: FailureKind, step: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.kind = kind
        self.step = step


class Span(NamedTuple):
    """Where the rows of one process stand among those of all."""

    start: int
    stop: int
    total: int

    @property
    def share(self) -> float:
        """Of all rows, in [0, 1]; 1 where there is none at all."""
        return (self.stop - self.start) / self.total if self.total else 1.0

    def own(self, places: Tensor) -> Tensor:
        """Those of the places among all rows (int64 [n]) that are this process's, as places among its own."""
        if self.stop - self.start == self.total:
            return places
        return places[(places >= self.start) & (places < self.stop)] - self.start


class Processes:
    """One process, which is all there are: a run without torchrun. `Torchrun` is several."""

    rank = 0
    size = 1

    def __deepcopy__(self, _: Any) -> Processes:
        return self

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def own(self, total: int) -> slice:
        """This process's rows of a batch that all of them hold: the batch cut evenly, in order."""
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def span(self, rows: int) -> Span:
        """Where this process's `rows` stand when the rows of all processes follow each other."""
        return Span(0, rows, rows)

    def gather(self, x: Tensor) -> Tensor:
        """The rows of all processes, in order: [n, …] → [N, …], without gradient."""
        return x

    def stack(self, x: Tensor) -> Tensor:
        """A tensor of one shape everywhere, from each process: […] → [processes, …]."""
        return x.unsqueeze(0)

    def add(self, x: Tensor) -> None:
        """Replace a tensor of one shape everywhere by its sum over the processes."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each by its mean over the processes."""

    def weighted(self, mean: Tensor, rows: int) -> Tensor:
        """See `Env.weighted`."""
        return mean

    def objects(self, value: Any) -> list[Any]:
        """A plain value from each process."""
        return [value]

    def highest(self, number: int) -> int:
        """The largest of the processes' numbers."""
        return number

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns in the first process, the only one that calls it."""
        return make()

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """What raises inside in one process raises in all; nothing inside may wait for another one."""
        yield


ALONE = Processes()


class Torchrun(Processes):
    """Several processes, joined by torch.distributed. Plain values travel by the host, tensors by device."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    def span(self, rows: int) -> Span:
        import torch

        counts = self.stack(torch.tensor(rows)).tolist()
        start = sum(counts[: self.rank])
        return Span(start, start + rows, sum(counts))

    def gather(self, x: Tensor) -> Tensor:
        import torch

        counts = self.stack(torch.tensor(len(x))).tolist()
        padded = x.new_zeros((max(counts), *x.shape[1:]))
        padded[: len(x)] = x.detach()
        parts = zip(self.stack(padded), counts, strict=True)
        return torch.cat([part[:count] for part, count in parts])

    def stack(self, x: Tensor) -> Tensor:
        import torch
        from torch import distributed

        x = x.detach().contiguous()
        parts = [torch.empty_like(x) for _ in range(self.size)]
        with _answered():
            distributed.all_gather(parts, x)
        return torch.stack(parts)

    def add(self, x: Tensor) -> None:
        from torch import distributed

        with _answered():
            distributed.all_reduce(x)

    def average(self, tensors: Sequence[Tensor]) -> None:
        import torch

        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            alike = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in alike])
            self.add(flat)
            flat /= self.size
            parts = torch.split(flat, [tensor.numel() for tensor in alike])
            for tensor, part in zip(alike, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def weighted(self, mean: Tensor, rows: int) -> Tensor:
        total = self.span(rows).total
        if rows == 0:  # a mean over nothing is NaN; it counts for nothing, but its backward pass is made
            return mean.nan_to_num()
        return mean * (rows * self.size / total)

    def objects(self, value: Any) -> list[Any]:
        from torch import distributed

        values: list[Any] = [None] * self.size
        with _answered():
            distributed.all_gather_object(values, value)
        return values

    def highest(self, number: int) -> int:
        import torch

        return int(self.stack(torch.tensor(number)).max())

    def from_first(self, make: Callable[[], T]) -> T:
        from torch import distributed

        made: list[Any] = [None]
        with self.agreeing():
            if self.first:
                made = [make()]
        with _answered():
            distributed.broadcast_object_list(made)
        value: T = made[0]
        return value

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        failure = None
        try:
            yield
        except Lost:
            raise
        except BenchError as error:
            failure = (str(error), error.exit_code, error.kind, getattr(error, "step", None))
        for told in self.objects(failure):
            if told is not None:
                raise Shared(*told)

    def outlive_the_first(self) -> None:
        """Wait until the first process has ended: it never answers, but its connection closes."""
        with suppress(Lost):
            self.highest(0)


@contextmanager
def _answered() -> Iterator[None]:
    """An exchange with the other processes, which may have ended."""
    try:
        yield
    except RuntimeError as error:
        raise Lost(
            "another process of this run has ended or does not answer; the same command goes on from the "
            "last checkpoint"
        ) from error


class _Place(NamedTuple):
    """What torchrun tells a process of itself."""

    rank: int
    local_rank: int
    size: int
    on_one_host: bool


def place(environ: Mapping[str, str]) -> _Place | None:
    """Read from torchrun's variables; None where this process is the only one."""
    if any(name not in environ for name in VARIABLES) or int(environ["WORLD_SIZE"]) == 1:
        return None
    size = int(environ["WORLD_SIZE"])
    here = int(environ.get("LOCAL_WORLD_SIZE", 0))
    return _Place(int(environ["RANK"]), int(environ["LOCAL_RANK"]), size, here == size)


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes of this run, found through torchrun's environment; `ALONE` without one.

    The first process raises what went wrong; of the others only one that failed by itself says so.

    Args:
        device: the name given on the command line; with GPUs each process takes that of its local rank.

    Raises:
        RunFailed: the processes did not find each other.
    """
    here = place(os.environ)
    if here is None:
        yield ALONE
        return
    from torch import distributed

    if here.on_one_host and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # others may be slow, or unreachable from here
    try:
        distributed.init_process_group(devices.backends(device), timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise Lost(f"torchrun: process {here.rank} did not find the others ({reason})") from error
    processes = Torchrun(here.rank, here.size)
    try:
        with processes.agreeing():
            devices.bind(device, here.local_rank)
        yield processes
    except BenchError as error:
        if processes.first:
            raise
        if isinstance(error, Shared | Stopped):
            processes.outlive_the_first()  # torchrun ends all as soon as one has failed, and it is to speak
        elif not isinstance(error, Lost):
            sys.stderr.write(f"error: process {here.rank}: {' '.join(str(error).splitlines())}\n")
        raise SystemExit(error.exit_code) from error
    distributed.destroy_process_group()
