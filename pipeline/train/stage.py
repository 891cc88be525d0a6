"""Stage ``train``: a probe on pretrained features, or a fine-tuned network; the story is kept in MLflow.

Reads build/split.csv and the photos; writes build/train/ (weights as safetensors, learner.json) and
reports/plots/curves.csv, each whole or not at all. Started by torch's launcher it fine-tunes in several processes, of
which the first writes; see pipeline/train/distributed.py.
"""

import csv
import io
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.core import config, files
from pipeline.core.errors import run_stage
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TRAIN, read_split
from pipeline.models import learner
from pipeline.models.learner import FOLDER, LearnerFile
from pipeline.models.photos import Classes, Photos
from pipeline.models.settings import ModelSettings
from pipeline.tracking import runs
from pipeline.train.processes import Processes
from pipeline.train.recipe import train as train_by
from pipeline.train.settings import AugmentSettings, TrainSettings

if TYPE_CHECKING:
    from pipeline.train.finetune import Epoch

CURVES = Path("reports/plots/curves.csv")
COLUMNS = ("number", "train_loss", "valid_loss", "accuracy", "learning_rate")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(train, description=__doc__, argv=argv)


def train() -> None:
    """Train as params.yaml says.

    Raises:
        PipelineError: settings, photos, weights or the MLflow store can't be used.
    """
    data = config.load("data", DataSettings)
    model = config.load("model", ModelSettings)
    settings = config.load("train", TrainSettings)
    augment = config.load("augment", AugmentSettings)
    rows = read_split(SPLIT)
    classes = Classes.of(rows, data.ood_label)
    every = Photos.of(rows, data.images, classes)
    photos = every.take(every.fitted)
    lineage = runs.lineage()
    processes = Processes.of_launcher()
    torch.set_num_threads(settings.threads or max(1, _cores() // processes.local_size))
    kept = runs.run(
        config.load("tracking", runs.Settings),
        name=lineage.experiment or f"{settings.recipe} {model.backbone}",
        lineage=lineage,
        params=lineage.config,
    )
    with processes.joined(processes.device()), kept if processes.first else nullcontext() as run:
        epochs: list[Epoch] = []
        started = time.perf_counter()

        def report(epoch: "Epoch") -> None:
            epochs.append(epoch)
            if not run:
                return
            run.metrics({k: v for k, v in asdict(epoch).items() if k not in ("number", "of")}, step=epoch.number)
            left = (epoch.of - epoch.number) * epoch.seconds
            print(
                f"epoch {epoch.number:2}/{epoch.of}  train loss {epoch.train_loss:.3f}  valid loss "
                f"{epoch.valid_loss:.3f}  accuracy {epoch.accuracy:.3f}  {epoch.seconds:4.0f} s  ({left:.0f} s to go)",
                flush=True,
            )

        if run:
            print(
                f"{settings.recipe}, {model.backbone}, {len(photos.rows)} photos of {', '.join(classes.outputs)}; "
                f"{processes.size} process(es), {torch.get_num_threads()} threads; MLflow run {run.run_id}",
                flush=True,
            )
            run.tags({"processes": str(processes.size)})
        trained = train_by(
            photos,
            photos.side(TRAIN),
            model,
            settings,
            augment,
            report=report,
            progress=_say_features if run else None,
            processes=processes,
        )
        if not run:
            return
        seconds = time.perf_counter() - started
        run.metrics({"train_seconds": seconds, "head_strength": trained.strength})
        for step, (_, loss) in enumerate(sorted(trained.losses.items())):
            run.metrics({"left_out_log_loss_by_strength": loss}, step=step)
        with files.replace_dir(FOLDER) as folder:
            description = LearnerFile(
                recipe=settings.recipe,
                backbone=model.backbone,
                size=model.size,
                labels=classes.labels,
                ood_label=classes.ood_label,
                strength=trained.strength,
                mlflow_run_id=run.run_id,
                train_seconds=round(seconds, 1),
            )
            learner.write(folder, description, trained.model)
        files.write_text(CURVES, _curves(epochs))
        run.artifact(CURVES, "plots")
    print(f"trained in {seconds:.0f} s, strength of the head {trained.strength:g} -> {FOLDER}/", flush=True)


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_features(done: int, total: int) -> None:
    if done == total or done % 128 < 16:
        print(f"features of {done} of {total} photos", flush=True)


def _curves(epochs: Sequence["Epoch"]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(epoch, column) for column in COLUMNS] for epoch in epochs)
    return text.getvalue()
