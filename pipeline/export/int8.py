"""The int8 twin of a body, and whether it answers as fp32 does."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from bundle.engine import INPUT, Output
from pipeline.data.corruptions import CORRUPTIONS, VIEWS, corrupt, views
from pipeline.models import graph


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.batches: Iterator[dict[str, NDArray[np.uint8]]] = iter({INPUT: frame[None]} for frame in frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.batches, None)


def quantize(body: bytes, frames: NDArray[np.uint8]) -> bytes:
    """The static int8 twin of ``body``, its ranges taken from ``frames`` uint8 [n, size, size, 3].

    QDQ, weights int8 per channel, activations uint8, convolutions and their clips alone: the form that keeps
    the answers and is faster than fp32 on x86; dynamic quantisation is three times slower. Weights use seven
    of their eight bits: x86 processors without VNNI add pairs of products in 16 bits, which eight would overflow, and
    a probability then moved by up to 0.24 from one machine to the next. With seven the answers are the same bits.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, int8 = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        plain.write_bytes(body)
        quant_pre_process(plain, prepared)
        quantize_static(
            prepared,
            int8,
            _Frames(_as_seen(frames)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Clip"],
        )
        return bytes(graph.bare(onnx.load(int8)).SerializeToString(deterministic=True))


def _as_seen(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Most of ``frames`` as they are, a fifth of them blurred and a fifth noisy: int8's ranges must hold for both."""
    blurred, noisy = frames[0::5], frames[1::5]
    plain = np.concatenate([frames[2::5], frames[3::5], frames[4::5]])
    return np.concatenate([plain, corrupt(blurred, CORRUPTIONS[VIEWS[0]]), corrupt(noisy, CORRUPTIONS[VIEWS[1]])])


def agreement(models: dict[str, tuple[bytes, float]], frames: NDArray[np.uint8]) -> float:
    """Share of ``frames``, as they are and as cameras see them, that all ``models`` (file, threshold) answer alike."""
    seen = np.concatenate(list(views(frames).values()))
    first, *others = (_answer(graph.run(model, seen), threshold) for model, threshold in models.values())
    return float(np.mean([first == other for other in others]))


def _answer(output: Output, threshold: float) -> NDArray[np.intp]:
    return np.where(output.id_score >= threshold, output.probabilities.argmax(1), -1)
