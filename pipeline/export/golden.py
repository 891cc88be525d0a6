"""Golden frames: made pictures, with the numbers that the pipeline got for them.

They prove that a service or a browser computes what the pipeline computed, and for that any picture serves. They travel
with every copy of the model, so no photo of a user is among them.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from bundle import Golden, Variant, VariantName
from pipeline.export import graph

FRAMES = 8
FOLDER = "golden"


def write(folder: Path, size: int, variants: dict[VariantName, Variant]) -> tuple[Golden, ...]:
    """Write the frames as PNG, whose pixels every decoder agrees on, with each variant's answers."""
    frames = np.stack([made(size, seed) for seed in range(FRAMES)])
    answers = {name: graph.run(folder / variant.file, frames) for name, variant in variants.items()}
    (folder / FOLDER).mkdir()
    golden = []
    for i, frame in enumerate(frames):
        file = f"{FOLDER}/{i:02}.png"
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "PNG")
        (folder / file).write_bytes(buffer.getvalue())
        golden.append(
            Golden(
                file=file,
                probabilities={
                    name: tuple(map(float, each.probabilities[i].clip(0, 1))) for name, each in answers.items()
                },
                id_score={name: float(each.id_score[i].clip(0, 1)) for name, each in answers.items()},
            )
        )
    return tuple(golden)


def made(size: int, seed: int) -> NDArray[np.uint8]:
    """A picture of soft colours, shapes, lines and grain, in shares that vary with the seed: uint8 [size, size, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (4 + seed, 4 + seed, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(3 + 6 * seed):
        x, y, w, h = (int(v) for v in random.integers(0, size, 4))
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        if seed % 3 == 0:
            draw.ellipse((x, y, x + w // 3 + 1, y + h // 3 + 1), fill=colour)
        elif seed % 3 == 1:
            draw.rectangle((x, y, x + w // 4 + 1, y + max(2, h // 40)), fill=(30, 30, 30))
        else:
            draw.line((x, y, w, h), fill=colour, width=1 + seed // 2)
    if seed % 2:
        picture = picture.filter(ImageFilter.GaussianBlur(seed / 3))
    grain = random.normal(0, 2 * seed, (size, size, 3))
    return np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
