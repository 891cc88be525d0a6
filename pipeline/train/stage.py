"""Stage ``train``: a probe on pretrained features, or a fine-tuned network; the story is kept in MLflow.

Reads build/split.csv and the photos; writes build/train/ (body, head, learner.json) and reports/plots/curves.csv, each
whole or not at all.
"""

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.core import config, files
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TRAIN, read_split
from pipeline.models import learner
from pipeline.models.learner import FOLDER, LearnerFile
from pipeline.models.photos import Classes, Photos
from pipeline.models.settings import ModelSettings
from pipeline.tracking import runs
from pipeline.train import recipe
from pipeline.train.settings import AugmentSettings, TrainSettings

CURVES = Path("reports/plots/curves.csv")
COLUMNS = ("number", "train_loss", "valid_loss", "accuracy", "learning_rate")


def train() -> None:
    """Train as params.yaml says.

    Raises:
        PipelineError: settings, photos, weights or the MLflow store can't be used.
    """
    data, model = config.load("data", DataSettings), config.load("model", ModelSettings)
    settings, augment = config.load("train", TrainSettings), config.load("augment", AugmentSettings)
    rows = read_split(SPLIT)
    classes = Classes.of(rows, data.ood_label)
    every = Photos.of(rows, data.images, classes)
    photos = every.take(every.fitted)
    lineage = runs.lineage()
    name = lineage.experiment or f"{settings.recipe} {model.backbone}"
    with runs.run(config.load("tracking", runs.Settings), name=name, lineage=lineage, params=lineage.config) as run:
        count = f"{len(photos.rows)} photos of {', '.join(classes.outputs)}"
        print(f"{settings.recipe}, {model.backbone}, {count}; MLflow run {run.run_id}", flush=True)
        epochs: list[dict[str, float]] = []
        started = time.perf_counter()

        def report(epoch: dict[str, float]) -> None:
            epochs.append(epoch)
            run.metrics(epoch, step=len(epochs))
            figures = "  ".join(f"{name} {value:.4f}" for name, value in epoch.items())
            print(
                f"epoch {len(epochs)}/{settings.epochs}  {figures}  {time.perf_counter() - started:.0f} s", flush=True
            )

        body, probe = recipe.train(
            photos, photos.side(TRAIN), model, settings, augment, report=report, progress=_say_features
        )
        seconds = time.perf_counter() - started
        run.metrics({"train_seconds": seconds, "head_strength": probe.strength})
        for step, (_, loss) in enumerate(sorted(probe.losses.items())):
            run.metrics({"left_out_log_loss_by_strength": loss}, step=step)
        description = LearnerFile(
            recipe=settings.recipe,
            backbone=model.backbone,
            size=model.size,
            labels=classes.labels,
            ood_label=classes.ood_label,
            strength=probe.strength,
            mlflow_run_id=run.run_id,
            train_seconds=round(seconds, 1),
        )
        with files.replace_dir(FOLDER) as folder:
            learner.write(folder, description, body, probe.head)
        files.write_text(CURVES, _curves(epochs))
        run.artifact(CURVES, "plots")
    print(f"trained in {seconds:.0f} s, strength of the head {probe.strength:g} -> {FOLDER}/", flush=True)


def _say_features(done: int, total: int) -> None:
    print(f"features of {done} of {total} photos", flush=True)


def _curves(epochs: Sequence[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({"number": number, **epoch} for number, epoch in enumerate(epochs, 1))
    return text.getvalue()
