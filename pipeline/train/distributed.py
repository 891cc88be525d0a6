"""Training in several processes at once: torch's launcher starts them, they share each step's batches.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m pipeline.train

Each process (a GPU each, or a share of the cores) has the whole network, sees its own part of the pictures, and all of
them average their gradients in each step (data parallel: Li et al. 2020, "PyTorch Distributed"). So a step sees
``batch_size`` pictures times the number of processes. fastai's own `fastai.distributed` is not used: it needs another
package (accelerate), moves indices through a GPU also where there is none, and counts an epoch's steps wrongly where
they don't divide evenly, so that a one-cycle schedule would not reach its end.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.core.errors import PipelineError

from fastai.vision.all import (  # isort: skip
    Callback,
    DataLoaders,
    TfmdDL,
    find_bs,
    to_detach,
)

PATIENCE = timedelta(
    minutes=10
)  # a process that is silent for so long is gone; the first opens MLflow's store meanwhile


class _Stopped(BaseException):
    """The launcher's SIGTERM; no Exception, as fastai rewords those that pass through its callbacks."""


def _stop(*_: object) -> None:
    raise _Stopped


@dataclass(frozen=True)
class Processes:
    """This process among those that train together, as the launcher's variables say; alone without them."""

    rank: int = 0  # 0..size-1; the first writes the files, and tells MLflow and the terminal
    size: int = 1
    local_rank: int = 0  # of those on this machine
    local_size: int = 1

    @classmethod
    def of_launcher(cls) -> "Processes":
        """What RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE say.

        Raises:
            PipelineError: they are no numbers, or contradict each other.
        """
        names = {"WORLD_SIZE": 1, "RANK": 0, "LOCAL_WORLD_SIZE": 1, "LOCAL_RANK": 0}
        try:
            size, rank, local_size, local_rank = (int(os.environ.get(k) or v) for k, v in names.items())
        except ValueError:
            size = rank = local_size = local_rank = -1
        if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
            said = ", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)
            raise PipelineError(
                f"the variables of the launcher make no sense ({said}); unset them to train in one process, or "
                "start with `make train-distributed`"
            )
        return cls(rank, size, local_rank, local_size)

    @property
    def first(self) -> bool:
        """Whether this one speaks for all."""
        return self.rank == 0

    @property
    def together(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    def device(self) -> torch.device:
        """A GPU of its own where there are GPUs, else the CPU.

        Raises:
            PipelineError: there are fewer GPUs than processes.
        """
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if not self.together:
            return torch.device("cuda")
        if self.local_size > torch.cuda.device_count():
            raise PipelineError(
                f"{self.local_size} processes, but {torch.cuda.device_count()} GPUs here: start one process a GPU "
                "(PROCESSES of `make train-distributed`)"
            )
        return torch.device("cuda", self.local_rank)

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Inside the block the processes can talk to each other; nothing happens where there is but one.

        Raises:
            PipelineError: another process ended, or can't be reached; also where the launcher stops this one.
        """
        if not self.together:
            yield
            return
        before = signal.signal(signal.SIGTERM, _stop)
        try:
            if device.type == "cuda":
                torch.cuda.set_device(device)
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
            yield
        except _Stopped as error:
            raise PipelineError(
                f"process {self.rank} of {self.size} was stopped: another one failed and said why, or by hand"
            ) from error
        except RuntimeError as error:
            said = str(error).strip()
            if not isinstance(error, distributed.DistError) and "gloo" not in said:
                raise
            raise PipelineError(
                f"process {self.rank} of {self.size} lost the others ({said.splitlines()[-1].strip()}); what the one "
                "that failed first said tells why"
            ) from error
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            signal.signal(signal.SIGTERM, before)

    def shared(self, loaders: DataLoaders) -> DataLoaders:
        """The loaders with this process's part of each epoch; inside `joined`. The same ones where it is alone."""
        if not self.together:
            return loaders
        parts = [
            each.new(cls=Part, bs=min(each.bs, part_length(len(each.dataset), self.size)))
            for each in loaders.loaders
        ]
        return DataLoaders(*parts, device=loaders.device)

    def callbacks(self) -> list[Callback]:
        """What a learner needs to train together with the others: nothing where it is alone."""
        return [AveragedGradients()] if self.together else []


def part_length(pictures: int, processes: int) -> int:
    """How many pictures of an epoch each process sees: all see as many, so that none waits for a step of another."""
    return -(-pictures // processes)


def part_of(order: Sequence[int], rank: int, size: int) -> list[int]:
    """Every ``size``-th of ``order``, from the ``rank``-th on.

    Where they don't divide evenly the last processes get one of the first pictures once more, as their last.
    """
    length = part_length(len(order), size)
    return [order[i % len(order)] for i in range(rank, length * size, size)]


class Part(TfmdDL):  # type: ignore[misc]
    """A loader of one process's part of the pictures, in the order that the first process draws for all."""

    def get_idxs(self) -> list[int]:
        order = torch.tensor(super().get_idxs(), device=self.device)
        distributed.broadcast(order, 0)
        return part_of(order.tolist(), distributed.get_rank(), distributed.get_world_size())

    def __len__(self) -> int:
        length = part_length(len(self.dataset), distributed.get_world_size())
        return int(length // self.bs if self.drop_last else -(-length // self.bs))

    def __iter__(self) -> Iterator[Any]:
        self.seen = 0
        for batch in super().__iter__():
            self.seen += find_bs(batch)
            yield batch

    def to_detach(self, batch: Any, cpu: bool = True, gather: bool = True) -> Any:
        """What all processes have of a batch, one after the other; fastai's metrics are made of it.

        The pictures that were given out twice are counted once.
        """
        whole = to_detach(batch, cpu, gather)
        size = distributed.get_world_size()
        pictures = len(self.dataset)
        twice = part_length(pictures, size) * size - pictures
        at_the_end = self.seen >= part_length(pictures, size)
        if not (gather and twice and at_the_end and isinstance(whole, torch.Tensor) and whole.ndim):
            return whole
        parts = list(whole.chunk(size))
        return torch.cat(parts[: size - twice] + [part[:-1] for part in parts[size - twice :]])


class AveragedGradients(Callback):  # type: ignore[misc]
    """Makes each step's gradients the mean over all processes, which so keep the same weights.

    Batch norm's running figures are those of the first process (`broadcast_buffers`).
    """

    order = 11  # after the model is on its device, before anything that looks at it

    def before_fit(self) -> None:
        self.learn.model = DistributedDataParallel(self.learn.model)

    def after_fit(self) -> None:
        self.learn.model = self.learn.model.module
