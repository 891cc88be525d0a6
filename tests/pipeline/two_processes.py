"""Started by torch's launcher for test_distributed.py: a small training of which each process leaves what it knows.

python -m torch.distributed.run … -m tests.pipeline.two_processes FOLDER (train | fail | die)
"""

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from pipeline.core.errors import PipelineError, run_stage
from pipeline.data.split import TRAIN
from pipeline.models.network import network
from pipeline.train.distributed import shared
from pipeline.train.finetune import Epoch, finetune
from pipeline.train.loaders import dataloaders
from pipeline.train.processes import Processes
from tests.pipeline.colours import GENTLE, MODEL, paint, photos, settings


def train(folder: Path, how: str) -> None:
    """Fine-tune; each process leaves its weights, what it heard of the epochs, and the pictures that it was given.

    The second one may "fail" before its first step, or "die" in the second epoch.
    """
    processes = Processes.of_launcher()
    place = folder / f"photos{processes.rank}"
    rows = paint(place, valid=7, train=10)[1:-1]  # odd numbers on both sides: each gives a picture out twice
    pictures = photos(place, rows)
    teaching, chosen = pictures.side(TRAIN), settings(epoch_pictures=1, batch_size=6)
    torch.set_num_threads(1)
    heard: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        heard.append(epoch)
        if how == "die" and processes.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with processes.joined(torch.device("cpu")):
        if how == "fail" and processes.rank == 1:
            raise PipelineError("the second process can't go on")
        model = network(MODEL.body(), 2, pretrained=True, dropout=chosen.dropout)
        finetune(
            model, pictures, teaching, MODEL, chosen, GENTLE, report=report, processes=processes
        )  # fmt: skip
        whole = dataloaders(pictures, teaching, MODEL, chosen, GENTLE, torch.device("cpu"))
        loaders = shared(whole, processes)
        given = [loader.get_idxs() for loader in loaders.loaders]
        steps = [len(loaders.train), sum(1 for _ in loaders.train)]
        # What one process alone makes of the same weights and all validation pictures.
        model.eval()
        with torch.inference_mode():
            right = [(model(x).argmax(1) == y).float() for x, y in whole.valid]
    left = {
        "weights": model.state_dict(),
        "epochs": [asdict(epoch) for epoch in heard],
        "given": given,
        "accuracy": float(torch.cat(right).mean()),
        "steps": steps,
    }
    torch.save(left, folder / f"{processes.rank}.pt")


if __name__ == "__main__":
    sys.exit(run_stage(lambda: train(Path(sys.argv[1]), sys.argv[2])))
