"""The network as it is served: one ONNX graph from pixels to calibrated answers, and its int8 twin."""

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn.functional import conv2d

from bundle.engine import EVIDENCE, INPUT, OUTPUTS, Output
from pipeline.models.head import Head

HEAD_WEIGHTS, HEAD_BIAS = "head_weights", "head_bias"  # initializers that `set_head` replaces
OPSET, IR = 18, 9  # what the page's runtime reads (docs/bench-web.md says why it is an older one)
BATCH = 32  # frames that torch infers at once


class Served(nn.Module):
    """Normalisation, body, head and softmax in one module.

    The head is a convolution of the last feature map with a 1x1 kernel, averaged over the places afterwards: the same
    numbers as a linear layer on the average, and before averaging it is the class activation map (Zhou et al. 2016).
    """

    def __init__(self, body: nn.Module, head: Head, labels: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body, self.labels = body, labels
        self.scale: torch.Tensor
        self.shift: torch.Tensor
        self.head_weights: torch.Tensor
        self.head_bias: torch.Tensor
        self.register_buffer("scale", 1 / (255 * torch.tensor(std)).view(1, 3, 1, 1))
        self.register_buffer("shift", -(torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1))
        self.register_buffer(HEAD_WEIGHTS, torch.from_numpy(head.weights)[:, :, None, None])
        self.register_buffer(HEAD_BIAS, torch.from_numpy(head.bias))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Uint8 [batch, size, size, 3] -> what `bundle.folder` says a graph gives, in that order."""
        pixels = image.permute(0, 3, 1, 2).float() * self.scale + self.shift
        maps = conv2d(self.body(pixels), self.head_weights)
        logits = maps.mean((2, 3)) + self.head_bias
        probabilities, evidence = logits[:, : self.labels].softmax(1), maps[:, : self.labels]
        if logits.shape[1] == self.labels:
            return probabilities, probabilities.amax(1), evidence
        return probabilities, 1 - logits.softmax(1)[:, self.labels], evidence


def export(served: Served, size: int, labels: Sequence[str], path: Path) -> None:
    """Write ``served`` to ``path`` as ONNX with a free batch dimension, the labels in its metadata.

    The bytes depend on the weights alone: the exporter's notes on source files, which hold absolute paths, are
    taken out.
    """
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            served.eval(),
            (example,),
            input_names=[INPUT],
            output_names=[*OUTPUTS, EVIDENCE],
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}},
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


def set_head(path: Path, head: Head, temperature: float, labels: Sequence[str]) -> None:
    """Put another head into the model at ``path``; its logits are divided by ``temperature``."""
    model = onnx.load(path)
    for name, values in ((HEAD_WEIGHTS, head.weights[:, :, None, None]), (HEAD_BIAS, head.bias)):
        initializer = next(each for each in model.graph.initializer if each.name.endswith(name))
        scaled = (values / temperature).astype(np.float32)
        initializer.CopyFrom(numpy_helper.from_array(scaled, initializer.name))
    save(model, labels, path)


def _head_node(model: onnx.ModelProto) -> onnx.NodeProto:
    """The convolution that is the head."""
    return next(n for n in model.graph.node if len(n.input) > 1 and n.input[1].endswith(HEAD_WEIGHTS))


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.batches: Iterator[dict[str, NDArray[np.uint8]]] = iter({INPUT: frame[None]} for frame in frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.batches, None)


def quantize(fp32: Path, int8: Path, frames: NDArray[np.uint8], labels: Sequence[str]) -> None:
    """Write the static int8 twin of ``fp32``, its ranges taken from ``frames`` uint8 [n, size, size, 3].

    QDQ, weights int8 per channel, activations uint8, the body's convolutions and their clips alone: the form that keeps
    the answers and is faster than fp32 on x86; dynamic quantisation is three times slower. Weights use seven
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
            nodes_to_exclude=[_head_node(onnx.load(prepared)).name],  # it is refitted, and takes no time
        )
        save(_bare(onnx.load(Path(folder) / "int8.onnx")), labels, int8)


def run(path: Path, frames: NDArray[np.uint8]) -> Output:
    """Infer ``frames`` uint8 [n, size, size, 3] with the model at ``path``."""
    return Output(*_infer(path.read_bytes(), [*OUTPUTS, EVIDENCE], frames))


def features(path: Path, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the head of the model at ``path`` gets for ``frames`` uint8 [n, size, size, 3]: float32 [n, features]."""
    model = onnx.load(path)
    last = _head_node(model).input[0]
    model.graph.output.append(helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    (maps,) = _infer(model.SerializeToString(), [last], frames)
    return np.asarray(maps.mean((2, 3)))


def _infer(model: bytes, outputs: list[str], frames: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Each of ``outputs`` for all frames, by the engine that serves, one frame a request and a request a core."""
    core = openvino.Core()
    read = core.read_model(model)
    read.reshape([1, *frames.shape[1:]])
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "ENABLE_CPU_PINNING": False,
    }
    queue = openvino.AsyncInferQueue(core.compile_model(read, "CPU", options))
    found: list[list[NDArray[np.float32]]] = [[] for _ in frames]

    def keep(request: Any, index: int) -> None:
        found[index] = [request.get_tensor(name).data.copy() for name in outputs]

    queue.set_callback(keep)
    for index, frame in enumerate(frames):
        queue.start_async({INPUT: frame[None]}, index)
    queue.wait_all()
    return [np.concatenate(column) for column in zip(*found, strict=True)]
