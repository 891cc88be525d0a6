"""Write a promoted network as LiteRT has its files: `python scripts/bench/web/litert.py model.onnx model.tflite`.

Runs on the Python of .venv-litert. It knows the operations of an EfficientNet-Lite and its linear head, and no others:
the file holds the same weights and gives the logits; it exists to be timed beside our own runtime.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

OPERATION: Final = schema.BuiltinOperator
OPTIONS: Final = schema.BuiltinOptions
FLOAT: Final = schema.TensorType.FLOAT32
MARK: Final = b"TFL3"


class Writer:
    """A model of one graph, as it grows."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.name, self.graph.tensors, self.graph.operators = b"main", [], []
        self.model = schema.ModelT()
        self.model.version, self.model.subgraphs = 3, [self.graph]
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self._codes: list[int] = []

    def tensor(self, name: str, shape: tuple[int, ...], kind: int = FLOAT, data: Any = None) -> int:
        """One more tensor; with ``data`` it is a weight."""
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def run(self, code: int, inputs: list[int], output: int, kind: int, options: Any) -> None:
        """One more operation."""
        if code not in self._codes:
            self._codes.append(code)
            listed = schema.OperatorCodeT()
            listed.builtinCode, listed.deprecatedBuiltinCode, listed.version = code, min(code, 127), 1
            self.model.operatorCodes.append(listed)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._codes.index(code), inputs, [output]
        made.builtinOptionsType, made.builtinOptions = kind, options
        self.graph.operators.append(made)

    def bytes(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), MARK)
        return bytes(builder.Output())


class Converter:
    """Follows a graph in its order; a value is a tensor of the file, and its shape without the batch."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.writer = Writer()
        self.weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.values: dict[str, tuple[int, tuple[int, ...]]] = {}
        self.convolutions: dict[str, Any] = {}
        image = graph.input[0]
        shape = tuple(each.dim_value for each in image.type.tensor_type.shape.dim[1:])
        given = self.writer.tensor(image.name, (1, *shape), schema.TensorType.UINT8)
        self.values[image.name] = (given, shape)
        self.writer.graph.inputs = [given]
        for node in graph.node:
            self._follow(node)
            if node.op_type == "Add" and len(self.values[node.output[0]][1]) == 1:
                self.writer.graph.outputs = [self.values[node.output[0]][0]]
                return
        raise SystemExit("the network has no linear head over a mean; this is written for EfficientNet-Lite")

    def _follow(self, node: onnx.NodeProto) -> None:
        source, shape = self.values[node.input[0]]
        options = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Transpose":  # LiteRT has the channels last, as the image has them
            self.values[node.output[0]] = (source, shape)
        elif node.op_type == "Clip":
            activation = schema.ActivationFunctionType.RELU6
            self.convolutions[node.input[0]].fusedActivationFunction = activation
            self.values[node.output[0]] = (source, shape)
        elif node.op_type == "Cast":
            cast = schema.CastOptionsT()
            cast.inDataType, cast.outDataType = schema.TensorType.UINT8, FLOAT
            self._write(node, OPERATION.CAST, [source], shape, OPTIONS.CastOptions, cast)
        elif node.op_type in ("Add", "Mul"):
            code = OPERATION.ADD if node.op_type == "Add" else OPERATION.MUL
            kind, made = (
                (OPTIONS.AddOptions, schema.AddOptionsT())
                if node.op_type == "Add"
                else (OPTIONS.MulOptions, schema.MulOptionsT())
            )
            self._write(node, code, [source, self._operand(node.input[1])], shape, kind, made)
        elif node.op_type == "ReduceMean":
            axes = self.writer.tensor("axes", (2,), schema.TensorType.INT32, np.array([1, 2], np.int32))
            mean = schema.ReducerOptionsT()
            mean.keepDims = False
            self._write(node, OPERATION.MEAN, [source, axes], shape[-1:], OPTIONS.ReducerOptions, mean)
        elif node.op_type == "Conv":
            self._convolve(node, source, shape, options)
        else:
            raise SystemExit(f"{node.op_type} is no operation that this knows")

    def _operand(self, name: str) -> int:
        if name in self.values:
            return self.values[name][0]
        data = self.weights[name].astype(np.float32).reshape(-1)
        return self.writer.tensor(name, data.shape, data=data)

    def _convolve(self, node: onnx.NodeProto, source: int, shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
        kernel = self.weights[node.input[1]].astype(np.float32)  # [out, in of a group, height, width]
        stride = options["strides"][0]
        bias = self.weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel))
        if options["group"] == 1:
            made, code, kind = schema.Conv2DOptionsT(), OPERATION.CONV_2D, OPTIONS.Conv2DOptions
            data = kernel.transpose(0, 2, 3, 1)
        else:
            made, code = schema.DepthwiseConv2DOptionsT(), OPERATION.DEPTHWISE_CONV_2D
            kind, made.depthMultiplier = OPTIONS.DepthwiseConv2DOptions, 1
            data = kernel.transpose(1, 2, 3, 0)
        made.padding, made.strideH, made.strideW = schema.Padding.SAME, stride, stride
        made.dilationHFactor = made.dilationWFactor = 1
        weights = self.writer.tensor(node.input[1], data.shape, data=data)
        biases = self.writer.tensor(f"{node.output[0]}.bias", bias.shape, data=bias.astype(np.float32))
        result = (-(-shape[0] // stride), -(-shape[1] // stride), len(kernel))
        self._write(node, code, [source, weights, biases], result, kind, made)
        self.convolutions[node.output[0]] = made

    def _write(
        self, node: onnx.NodeProto, code: int, inputs: list[int], shape: tuple[int, ...], kind: int, made: Any
    ) -> None:
        output = self.writer.tensor(node.output[0], (1, *shape))
        self.writer.run(code, inputs, output, kind, made)
        self.values[node.output[0]] = (output, shape)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(Converter(onnx.load(sys.argv[1]).graph).writer.bytes())
