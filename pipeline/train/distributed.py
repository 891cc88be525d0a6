"""Fine-tuning in several processes at once: they share each step's batches.

Each process (a GPU each, or a share of the cores) has the whole network, sees its own part of the pictures, and all of
them average their gradients in each step (data parallel: Li et al. 2020, "PyTorch Distributed"). So a step sees
``batch_size`` pictures times the number of processes. fastai's own `fastai.distributed` is not used: it needs another
package (accelerate), moves indices through a GPU also where there is none, and counts an epoch's steps wrongly where
they don't divide evenly, so that a one-cycle schedule would not reach its end.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.train.processes import Processes

from fastai.vision.all import (  # isort: skip
    Callback,
    DataLoaders,
    TfmdDL,
    find_bs,
    to_detach,
)


def shared(loaders: DataLoaders, processes: Processes) -> DataLoaders:
    """The loaders with this process's part of each epoch, where there are several; inside `Processes.joined`."""
    if not processes.together:
        return loaders
    parts = [
        each.new(cls=Part, bs=min(each.bs, part_length(len(each.dataset), processes.size))) for each in loaders.loaders
    ]
    return DataLoaders(*parts, device=loaders.device)


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
