"""Started by torch's launcher for test_distributed.py: a small training of which each process leaves what it knows.

python -m torch.distributed.run … -m tests.pipeline.two_processes FOLDER (train | fail | die)
"""

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from pipeline.models.dataset import Classes, class_weights, dataloaders

from pipeline.core.errors import PipelineError, run_stage
from pipeline.models.network import network
from pipeline.train.distributed import Processes
from pipeline.train.finetune import Epoch, fit, seed_everything
from tests.pipeline.colours import BACKBONE, GENTLE, SIZE, paint, settings


def train(folder: Path, how: str) -> None:
    """Fine-tune; each process leaves its weights, what it heard of the epochs, and the pictures that it was given.

    The second one may "fail" before its first step, or "die" in the second epoch.
    """
    processes = Processes.of_launcher()
    photos = folder / f"photos{processes.rank}"
    rows = paint(photos, valid=7, train=10)[1:-1]  # odd numbers on both sides: each gives a picture out twice
    classes = Classes.of(rows, "other")
    chosen = settings()
    torch.set_num_threads(1)
    seed_everything(chosen.seed + processes.rank)
    heard: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        heard.append(epoch)
        if how == "die" and processes.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with processes.joined(torch.device("cpu")):
        if how == "fail" and processes.rank == 1:
            raise PipelineError("the second process can't go on")
        whole = dataloaders(
            rows,
            classes,
            photos,
            size=SIZE,
            batch_size=6,
            epoch_pictures=1,
            augment=GENTLE,
            backbone=BACKBONE,
            device=torch.device("cpu"),
        )
        loaders = processes.shared(whole)
        model = network(BACKBONE, 2, pretrained=True, dropout=0.2)
        weights, callbacks = class_weights(rows, classes), processes.callbacks()
        fit(loaders, model, BACKBONE, weights, 2, chosen, report, pretrained=True, callbacks=callbacks)
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
