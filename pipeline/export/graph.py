"""The network as it is served: one ONNX graph from pixels to calibrated answers, and its int8 twin."""

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from bundle.engine import Output

IMAGE, PROBABILITIES, ID_SCORE, EVIDENCE = "image", "probabilities", "id_score", "evidence"
TEMPERATURE = "temperature"  # name of the initializer, so that it can be set without exporting again
OPSET, IR = 18, 9  # what the page's runtime reads (docs/bench-web.md says why it is an older one)
UNSET = 2.0  # its value until then: a division by 1 would be optimised away, and with it the place to set it


class Served(nn.Module):
    """Normalisation, network, temperature and softmax in one module.

    ``id_score`` is how sure the network is that the picture shows one of the labels at all: one minus the share that
    the none-of-these output takes in the softmax over everything, or, where there is no such output, the largest
    probability (Hendrycks & Gimpel 2017).
    """

    def __init__(self, network: nn.Module, labels: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network, self.labels = network, labels
        self.scale: torch.Tensor
        self.shift: torch.Tensor
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)).view(1, 3, 1, 1))
        self.register_buffer("shift", -(torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1))
        self.register_buffer(TEMPERATURE, torch.tensor([UNSET]))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Uint8 [batch, size, size, 3] -> probabilities float [batch, labels], id_score float [batch]."""
        pixels = image.permute(0, 3, 1, 2).float() * self.scale + self.shift
        logits = self.network(pixels) / self.temperature
        probabilities = logits[:, : self.labels].softmax(1)
        if logits.shape[1] == self.labels:
            return probabilities, probabilities.amax(1)
        return probabilities, 1 - logits.softmax(1)[:, self.labels]


def export(served: Served, size: int, labels: Sequence[str], path: Path) -> None:
    """Write ``served`` to ``path`` as ONNX with a free batch dimension, the labels in its metadata.

    The temperature is to be set afterwards, with `set_temperature`, here and in the int8 twin.

    The bytes depend on the weights alone: the exporter's notes on source files, which hold absolute paths, are
    taken out.
    """
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            served.eval(),
            (example,),
            input_names=[IMAGE],
            output_names=[PROBABILITIES, ID_SCORE],
            dynamic_shapes={IMAGE: {0: torch.export.Dim("batch", min=1)}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    save(_bare(program.model_proto), labels, path)


def save(model: onnx.ModelProto, labels: Sequence[str], path: Path) -> None:
    """Write ``model`` with the labels as its only metadata; equal models give equal bytes."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    model.ir_version = IR
    entry.key, entry.value = "labels", json.dumps(list(labels), ensure_ascii=False)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = model.graph
    for holder in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        holder.doc_string = ""
        del holder.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:]
    return model


def set_temperature(path: Path, temperature: float, labels: Sequence[str]) -> None:
    """Set the temperature of the model at ``path``: its logits are divided by it."""
    model = onnx.load(path)
    initializer = next(i for i in model.graph.initializer if i.name.endswith(TEMPERATURE))
    initializer.CopyFrom(numpy_helper.from_array(np.array([temperature], np.float32), initializer.name))
    save(model, labels, path)


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.batches: Iterator[dict[str, NDArray[np.uint8]]] = iter({IMAGE: frame[None]} for frame in frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.batches, None)


def quantize(fp32: Path, int8: Path, frames: NDArray[np.uint8], labels: Sequence[str]) -> None:
    """Write the static int8 twin of ``fp32``, its ranges taken from ``frames`` uint8 [n, size, size, 3].

    QDQ, weights int8 per channel, activations uint8, convolutions and their clips alone: the form that keeps the
    answers and is faster than fp32 on x86 (see FACTS); dynamic quantisation is three times slower. Weights use seven
    of their eight bits: x86 processors without VNNI add pairs of products in 16 bits, which eight would overflow, and
    a probability then moved by up to 0.24 from one machine to the next. With seven the answers are the same bits.
    """
    with tempfile.TemporaryDirectory(dir=int8.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(fp32, prepared)
        quantize_static(
            prepared,
            Path(folder) / "int8.onnx",
            _Frames(frames),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["Conv", "Clip"],
        )
        save(_bare(onnx.load(Path(folder) / "int8.onnx")), labels, int8)


def run(path: Path, frames: NDArray[np.uint8], batch: int = 32) -> Output:
    """Infer ``frames`` uint8 [n, size, size, 3] with the model at ``path``, on one thread, ``batch`` at a time.

    One thread, as it is served: another number adds up in another order.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    parts = [
        session.run([PROBABILITIES, ID_SCORE], {IMAGE: frames[i : i + batch]})
        for i in range(0, len(frames), batch)
    ]
    return Output(np.concatenate([p for p, _ in parts]), np.concatenate([k for _, k in parts]))
