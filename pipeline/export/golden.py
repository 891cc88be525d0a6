"""Golden frames: made pictures, with the numbers that the pipeline got for them.

They prove that a service or a browser computes what the pipeline computed, and for that any picture serves. They travel
with every copy of the model, so no photo of a user is among them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bundle import Golden, VariantName
from pipeline.models import graph

FRAMES = 8
FOLDER = "golden"


def write(folder: Path, size: int, models: Mapping[VariantName, bytes]) -> tuple[Golden, ...]:
    """Write the frames as PNG, whose pixels every decoder agrees on, with the answers of each of ``models``."""
    frames = np.stack([made(size, seed) for seed in range(FRAMES)])
    answers = {name: graph.run(model, frames) for name, model in models.items()}
    (folder / FOLDER).mkdir()
    golden = []
    for i, frame in enumerate(frames):
        file = f"{FOLDER}/{i:02}.png"
        Image.fromarray(frame).save(folder / file)
        probabilities = {name: tuple(map(float, each.probabilities[i].clip(0, 1))) for name, each in answers.items()}
        id_score = {name: float(each.id_score[i].clip(0, 1)) for name, each in answers.items()}
        golden.append(Golden(file=file, probabilities=probabilities, id_score=id_score))
    return tuple(golden)


def made(size: int, seed: int) -> NDArray[np.uint8]:
    """A picture of soft colours, lines and grain, in shares that vary with the seed: uint8 [size, size, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (4 + seed, 4 + seed, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(3 + 6 * seed):
        draw.line(tuple(random.integers(0, size, 4).tolist()), tuple(random.integers(0, 256, 3).tolist()), 1 + seed)
    return np.clip(np.asarray(picture) + random.normal(0, 2 * seed, (size, size, 3)), 0, 255).astype(np.uint8)
