"""The original's stack, written anew: fastai's `learn.predict` behind FastAPI, torch in eager mode.

    uvicorn scripts.bench.service.peers.original:app --workers 2

The trained network of build/train as a fastai Learner, with fastai's own loading, cropping and normalising, as
`load_learner("export.pkl")` would give it (the pickle itself is what the pipeline does without).
"""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import FastAPI, File, UploadFile

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.models import learner
from pipeline.models.backbones import BACKBONES
from pipeline.models.network import network

from fastai.vision.all import (  # isort: skip
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    ImageBlock,
    Learner,
    Normalize,
    PILImage,
    Resize,
)


def load(folder: Path, scratch: Path) -> Learner:
    """The trained network as a Learner, whose `predict` takes a picture of any size."""
    description, _, head = learner.load(folder)
    backbone = BACKBONES[description.backbone]
    whole = network(backbone, len(head.bias), pretrained=True, head=head).eval()  # a probe's body is the pretrained one
    labels = [*description.labels, *([description.ood_label] if description.ood_label else [])]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=labels, sort=False)),
        get_y=lambda path: labels[int(path.stem) % len(labels)],
        item_tfms=Resize(description.size),
        batch_tfms=Normalize.from_stats(*backbone.stats),
    )
    # `predict` needs loaders, and loaders need files: two pictures for each label.
    folder = scratch / f"original-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.jpg" for number in range(2 * len(labels))]
    for file in files:
        PILImage.create(np.zeros((480, 640, 3), np.uint8)).save(file)
    loaders = block.dataloaders(files, bs=1, num_workers=0)
    return Learner(loaders, whole, loss_func=CrossEntropyLossFlat())


torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
app = FastAPI()
learn = load(Path(os.environ["BENCH_TRAINED"]), Path(os.environ["BENCH_SCRATCH"]))


@app.get("/healthz")
def healthy() -> dict[str, str]:
    """The network is loaded: it was when this module was."""
    return {"status": "alive"}


@app.post("/identify")
async def identify(image: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """Say what is in a picture."""
    with learn.no_bar(), learn.no_logging():
        label, _, probabilities = learn.predict(PILImage.create(await image.read()))
    return {
        "label": str(label),
        "probabilities": dict(zip(learn.dls.vocab, probabilities.tolist(), strict=True)),
    }
