"""Networks as ONNX graphs: a body, from pixels to its last feature map, and what is served, a body with a head on it.

A pretrained body is exported once and kept by what decides its bytes, so that a probe needs no torch after that.
"""

import hashlib
import json
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from bundle.engine import EVIDENCE, INPUT, OUTPUTS, Output
from pipeline.core import files
from pipeline.models import backbones
from pipeline.models.backbones import BACKBONES, Backbone
from pipeline.models.head import Head

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path("build/features")  # of pretrained bodies, and of what they see
FEATURES = "features"  # the last feature map, float32 [batch, features, height, width]
HEAD_WEIGHTS, HEAD_BIAS = "head_weights", "head_bias"  # initializers that a new head replaces
OPSET, IR = 18, 9  # what the page's runtime reads (docs/bench-web.md says why it is an older one)
PARITY = "parity"  # metadata of a body
PARITY_FRAMES = 8


def pretrained(backbone: str, size: int) -> bytes:
    """The body of a pretrained backbone for frames of ``size`` pixels a side; see `export_body`.

    Raises:
        WeightsError: the weights can't be had.
    """
    code = b"".join(Path(str(module)).read_bytes() for module in (backbones.__file__, __file__))
    packages = " ".join(version(package) for package in ("torch", "timm", "onnxscript"))
    digits = hashlib.sha256(code + packages.encode()).hexdigest()[:12]
    kept = FOLDER / f"{backbone}-{size}-{digits}.onnx"
    if not kept.exists():
        files.write_bytes(kept, export_body(BACKBONES[backbone].body(True), BACKBONES[backbone], size))
    return kept.read_bytes()


def export_body(body: "nn.Module", backbone: Backbone, size: int) -> bytes:
    """``body`` as ONNX, normalisation included: uint8 [batch, size, size, 3] -> `FEATURES`.

    The bytes depend on the weights alone: the exporter's notes on source files, which hold absolute paths, are taken
    out. The metadata hold how far torch and the engine that serves are apart on made frames, see `parity`.
    """
    import torch
    from torch import nn

    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in backbone.stats)
    scale, shift = 1 / (255 * std), -mean / std

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            maps: torch.Tensor = self.body(image.permute(0, 3, 1, 2).float() * scale + shift)
            return maps

    whole = Body().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            whole,
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            input_names=[INPUT],
            output_names=[FEATURES],
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = bare(program.model_proto)
    frames = np.random.default_rng(0).integers(0, 256, (PARITY_FRAMES, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = whole(torch.from_numpy(frames)).mean((2, 3)).numpy()
    (maps,) = infer(model.SerializeToString(), [FEATURES], frames)
    off = np.abs(maps.mean((2, 3)) - expected).max() / max(float(np.sqrt((expected**2).mean())), 1e-6)
    return _serialised(model, {PARITY: f"{off:.2g}"})


def parity(body: bytes) -> float:
    """The largest difference of a feature between torch and the engine, in root mean squares of the features."""
    return float(next(entry.value for entry in onnx.load_from_string(body).metadata_props if entry.key == PARITY))


def bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take notes on source files out of ``model``."""
    graph = model.graph
    for holder in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        holder.doc_string = ""
        del holder.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:]
    return model


def _serialised(model: onnx.ModelProto, metadata: dict[str, str]) -> bytes:
    """``model`` with ``metadata`` alone; equal models give equal bytes."""
    helper.set_model_props(model, metadata)
    model.ir_version = IR
    return bytes(model.SerializeToString(deterministic=True))


def bare_body(body: bytes) -> bytes:
    """``body`` without its output and its metadata: what every model that is made of it begins with."""
    model = onnx.load_from_string(body)
    del model.graph.output[:]
    return _serialised(model, {})


def seeing(bare: bytes) -> bytes:
    """A `bare_body` with its output `FEATURES`."""
    maps = helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["batch", None, None, None])
    declared = onnx.ModelProto(graph=onnx.GraphProto(output=[maps]))
    return bare + bytes(declared.SerializeToString(deterministic=True))


def head_part(head: Head, temperature: float, labels: Sequence[str]) -> bytes:
    """``head`` and softmax, with the labels in the metadata: put after a `bare_body`, what is served.

    Serialised messages that follow one another are one message, their lists joined (Protocol Buffers, "Last One Wins"
    and repeated fields). So who holds a model needs some KB for another one with the same body.

    The head is a convolution of the last feature map with a 1x1 kernel, averaged over the places afterwards: the same
    numbers as a linear layer on the average, and before averaging it is the class activation map (Zhou et al. 2016).

    Args:
        head: of the labels' outputs, and of one more where there are pictures of none of them.
        temperature: what the logits are divided by.
        labels: names of the first outputs.
    """
    count, part = len(labels), onnx.ModelProto()
    nodes = [
        helper.make_node("Conv", [FEATURES, HEAD_WEIGHTS], ["maps"]),
        helper.make_node("ReduceMean", ["maps", "places"], ["means"], keepdims=0),
        helper.make_node("Add", ["means", HEAD_BIAS], ["logits"]),
        helper.make_node("Slice", ["logits", "first", "count", "channel"], ["label_logits"]),
        helper.make_node("Softmax", ["label_logits"], [OUTPUTS[0]], axis=1),
        helper.make_node("Slice", ["maps", "first", "count", "channel"], [EVIDENCE]),
    ]
    constants: dict[str, Any] = {"places": [2, 3], "first": [0], "count": [count], "channel": [1]}
    if len(head.bias) == count:
        nodes.append(helper.make_node("ReduceMax", [OUTPUTS[0], "channel"], [OUTPUTS[1]], keepdims=0))
    else:
        constants["ood"] = count
        nodes += [
            helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
            helper.make_node("Gather", ["shares", "ood"], ["ood_share"], axis=1),
            helper.make_node("Sub", ["one", "ood_share"], [OUTPUTS[1]]),
        ]
        part.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    values = {HEAD_WEIGHTS: head.weights[:, :, None, None] / temperature, HEAD_BIAS: head.bias / temperature}
    for name, value in values.items():
        part.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    for name, value in constants.items():
        part.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    shapes = zip((*OUTPUTS, EVIDENCE), (["batch", count], ["batch"], ["batch", count, None, None]), strict=True)
    part.graph.node.extend(nodes)
    part.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, s) for name, s in shapes)
    helper.set_model_props(part, {"labels": json.dumps(list(labels), ensure_ascii=False)})
    return bytes(part.SerializeToString(deterministic=True))


def with_head(body: bytes, head: Head, temperature: float, labels: Sequence[str]) -> bytes:
    """What is served: ``body`` and a head; see `head_part`."""
    return bare_body(body) + head_part(head, temperature, labels)


class Network:
    """A graph, compiled by the engine that serves: one frame a request, and a request a core."""

    def __init__(self, model: bytes, size: int) -> None:
        """Compile ``model`` for frames of ``size`` pixels a side."""
        core = openvino.Core()
        read = core.read_model(model)
        read.reshape([1, size, size, 3])
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT", "ENABLE_CPU_PINNING": False}
        self._model = core.compile_model(read, "CPU", options)

    def infer(self, outputs: Sequence[str], frames: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Each of ``outputs`` for all ``frames`` uint8 [n, size, size, 3]."""
        # No AsyncInferQueue with a callback: its thread wants Python's lock at its end, and who throws the network away
        # meanwhile waits for that thread with the lock held. Both then wait for ever.
        count = min(len(frames), self._model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        requests = [self._model.create_infer_request() for _ in range(count)]
        found: list[list[NDArray[np.float32]]] = []

        def keep(request: Any) -> None:
            request.wait()
            found.append([request.get_tensor(name).data.copy() for name in outputs])

        for index, frame in enumerate(frames):
            if index >= count:
                keep(requests[index % count])
            requests[index % count].start_async({INPUT: frame[None]})
        for index in range(len(frames) - count, len(frames)):
            keep(requests[index % count])
        return [np.concatenate(column) for column in zip(*found, strict=True)]


def run(served: bytes, frames: NDArray[np.uint8]) -> Output:
    """What the model ``served`` says of ``frames`` uint8 [n, size, size, 3]."""
    return Output(*infer(served, [*OUTPUTS, EVIDENCE], frames))


def infer(model: bytes, outputs: Sequence[str], frames: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """As `Network.infer`, for a ``model`` that is used once."""
    return Network(model, frames.shape[1]).infer(outputs, frames)
