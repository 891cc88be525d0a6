"""The processes that train together: torch's launcher starts them, each learns here which one it is.

    python -m torch.distributed.run --standalone --nproc-per-node 2 -m pipeline.train

What they do together stands in pipeline/train/distributed.py.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from pipeline.core.errors import PipelineError

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
