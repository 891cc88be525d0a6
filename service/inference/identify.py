"""What is in one picture: decode, infer, and count the answer."""

import time

from bundle import decode
from bundle.answer import Answer, Timing
from service.inference.model import LoadedModel
from service.inference.screening import pixel_limit
from service.metrics import Metrics
from service.settings import Settings


def identify(data: bytes, model: LoadedModel, waited: float, *, settings: Settings, explain: bool = False) -> Answer:
    """Answer a picture file; runs in a thread of the queue.

    Args:
        data: the file.
        model: that answers.
        waited: milliseconds in the queue.
        settings: limits on pixels and memory.
        explain: also say where in the frame the label shows.

    Raises:
        PictureError: it can't be decoded.
    """
    begun = time.perf_counter()
    limit = pixel_limit(data, pixels=settings.pixels, memory=settings.decode_bytes)
    frame = decode.decode(data, model.engine.size, max_pixels=limit)
    decoded = time.perf_counter()
    output = model.engine.run(frame[None], explain=explain)
    inferred = time.perf_counter()
    spent = Timing(decode=(decoded - begun) * 1e3, queue=waited, inference=(inferred - decoded) * 1e3)
    return model.engine.answer(output, spent)


def count(answer: Answer, seconds: float, metrics: Metrics) -> None:
    """Note an answer that took ``seconds`` from arrival."""
    timing = answer.timing
    label = max(answer.probabilities, key=answer.probabilities.__getitem__)
    parts = {
        "decode": timing.decode / 1e3,
        "queue": timing.queue / 1e3,
        "inference": timing.inference / 1e3,
        "total": seconds,
    }
    metrics.observe(parts, label, answer.probabilities[label], answer.label is not None)
