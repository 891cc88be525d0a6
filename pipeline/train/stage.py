"""Stage ``train``: fine-tune a pretrained network on the training pictures, and keep the story in MLflow.

Reads build/split.csv and the pictures; writes build/train/ (weights as safetensors, learner.json) and
reports/plots/curves.csv, each whole or not at all. Started by torch's launcher it trains in several processes, of which
the first writes; see pipeline/train/distributed.py.
"""

import csv
import io
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields
from pathlib import Path

import safetensors.torch
import torch
from pydantic import Field

from pipeline.core import config, files
from pipeline.core.config import Settings
from pipeline.core.errors import ConfigError, DataError, run_stage
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, SplitRow, read_split
from pipeline.metrics import figures
from pipeline.models.augment import AugmentSettings
from pipeline.models.backbones import BACKBONES, Backbone
from pipeline.models.dataset import Classes, class_weights, dataloaders, served_frames, shown_in_an_epoch
from pipeline.models.learner import FOLDER, WEIGHTS, LearnerFile
from pipeline.models.network import network
from pipeline.tracking import runs as tracking
from pipeline.train.distributed import Processes
from pipeline.train.fit import Epoch, TrainSettings, cores, fit, seed_everything

CURVES = Path("reports/plots/curves.csv")
WORST = 12  # pictures in the sheet of the worst mistakes


class ModelSettings(Settings):
    """Section ``model``."""

    backbone: str
    size: int = Field(ge=32, le=1024)  # pixels a side of the square frame
    pretrained: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; it takes no arguments, its settings are in params.yaml."""
    return run_stage(train, description=__doc__, argv=argv)


def train() -> None:
    """Train as params.yaml says.

    Raises:
        PipelineError: settings, pictures, weights or the MLflow store can't be used.
    """
    data = config.load("data", DataSettings)
    model = config.load("model", ModelSettings)
    augment = config.load("augment", AugmentSettings)
    settings = config.load("train", TrainSettings)
    if model.backbone not in BACKBONES:
        raise ConfigError(f"model.backbone: {model.backbone!r} is none of {', '.join(BACKBONES)}")
    backbone = BACKBONES[model.backbone]
    rows = read_split(SPLIT)
    classes = Classes.of(rows, data.none_label)
    if len(classes.labels) < 2:
        raise DataError(
            f"{SPLIT} has training pictures of fewer than two labels; `dvc repro validate` says why"
        )
    lineage = tracking.lineage()
    processes = Processes.of_launcher()
    device = processes.device()
    torch.set_num_threads(settings.threads or max(1, cores() // processes.local_size))
    seed_everything(settings.seed + processes.rank)  # else all would augment their pictures alike
    kept = tracking.run(
        config.load("tracking", tracking.Settings),
        name=lineage.experiment or model.backbone,
        lineage=lineage,
        params=lineage.config,
    )
    with processes.joined(device), kept if processes.first else nullcontext() as run:
        loaders = dataloaders(
            rows,
            classes,
            data.images,
            size=model.size,
            batch_size=settings.batch_size,
            epoch_pictures=settings.epoch_pictures,
            augment=augment,
            backbone=backbone,
            device=device,
        )
        if run:
            where = f"{processes.size} processes, {device.type}" if processes.together else f"{device}"
            print(
                f"{model.backbone} on {len(loaders.train_ds)} pictures of {', '.join(classes.outputs)}; "
                f"{where}, {torch.get_num_threads()} threads; MLflow run {run.run_id}",
                flush=True,
            )
            if processes.together:
                run.tags({"processes": str(processes.size)})
        net = network(backbone, len(classes.outputs), pretrained=model.pretrained, dropout=settings.dropout)
        epochs: list[Epoch] = []
        started = time.perf_counter()

        def report(epoch: Epoch) -> None:
            epochs.append(epoch)
            if not run:
                return
            run.metrics(
                {k: v for k, v in asdict(epoch).items() if k not in ("number", "of")}, step=epoch.number
            )
            left = (epoch.of - epoch.number) * epoch.seconds
            print(
                f"epoch {epoch.number:2}/{epoch.of}  train loss {epoch.train_loss:.3f}  valid loss "
                f"{epoch.valid_loss:.3f}  accuracy {epoch.accuracy:.3f}  {epoch.seconds:4.0f} s  ({left:.0f} s to go)",
                flush=True,
            )

        fit(
            processes.shared(loaders),
            net,
            backbone,
            class_weights(shown_in_an_epoch(rows, classes, settings.epoch_pictures), classes),
            len(classes.labels),
            settings,
            report,
            pretrained=model.pretrained,
            callbacks=processes.callbacks(),
        )
        if not run:
            return
        seconds = time.perf_counter() - started
        net = net.cpu().eval()
        run.metrics({"train_seconds": seconds})
        with files.replace_dir(FOLDER) as folder:
            # contiguous: safetensors refuses channels_last, in which it was trained
            weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
            files.write_bytes(folder / WEIGHTS, safetensors.torch.save(weights))
            LearnerFile(
                backbone=model.backbone,
                size=model.size,
                labels=classes.labels,
                none_label=classes.none_label,
                mlflow_run_id=run.run_id,
                train_seconds=round(seconds, 1),
            ).write(folder)
        files.write_text(CURVES, _curves(epochs))
        run.artifact(CURVES, "plots")
        for path in _validation_figures(net, backbone, rows, classes, data.images, model.size):
            run.artifact(path, "validation")
    print(f"trained in {seconds:.0f} s -> {FOLDER}/", flush=True)


def _curves(epochs: Sequence[Epoch]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [field.name for field in fields(Epoch) if field.name not in ("of", "seconds")]
    writer.writerow(columns)
    writer.writerows([getattr(epoch, column) for column in columns] for epoch in epochs)
    return text.getvalue()


def _validation_figures(
    net: torch.nn.Module,
    backbone: Backbone,
    rows: Sequence[SplitRow],
    classes: Classes,
    images: Path,
    size: int,
) -> list[Path]:
    """Confusion matrix and worst mistakes on the validation pictures, as pictures."""
    valid = [row for row in rows if row.split == "valid" and row.label in classes.outputs]
    frames = served_frames(valid, images, size)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in backbone.stats)
    with torch.inference_mode():
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        shares = torch.cat([net((batch - mean) / std).softmax(1) for batch in torch.split(pixels, 16)])
    truth = torch.tensor([classes.outputs.index(row.label) for row in valid])
    answers = shares.argmax(1)
    loss = -shares[torch.arange(len(valid)), truth].log()
    worst = loss.argsort(descending=True, stable=True)[:WORST].tolist()
    confusion = figures.confusion_matrix(
        FOLDER.parent / "validation" / "confusion.png", classes.outputs, truth.tolist(), answers.tolist()
    )
    sheet = figures.picture_sheet(
        FOLDER.parent / "validation" / "worst_mistakes.png",
        [
            (
                frames[i],
                f"{valid[i].label}: {shares[i, truth[i]]:.0%}",
                f"{classes.outputs[answers[i]]} {shares[i].max():.0%}",
            )
            for i in worst
        ],
    )
    return [confusion, sheet]
