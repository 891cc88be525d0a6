"""Write a promoted network as LiteRT has its files: `python scripts/bench/web/litert.py model.onnx model.tflite`.

Runs on the Python of .venv-litert. It knows the operations of an EfficientNet-Lite and its linear head, and no others:
the file holds the same weights and gives the logits; it exists to be timed beside our own runtime. (onnx2tf would do
it for any network, and needs TensorFlow for it.)
"""

import sys
from pathlib import Path
from typing import Any, Final

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

FLOAT: Final = schema.TensorType.FLOAT32
MARK: Final = b"TFL3"


class Converter:
    """Follows a graph in its order; a value is a tensor of the file, and its shape without the batch."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph, self.model = schema.SubGraphT(), schema.ModelT()
        self.graph.name, self.graph.tensors, self.graph.operators = b"main", [], []
        self.model.version, self.model.subgraphs = 3, [self.graph]
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.made: dict[str, Any] = {}  # options by the name of what they make
        image = graph.input[0]
        shape = tuple(each.dim_value for each in image.type.tensor_type.shape.dim[1:])
        self.values = {image.name: (self._tensor(image.name, (1, *shape), schema.TensorType.UINT8), shape)}
        self.graph.inputs = [self.values[image.name][0]]
        for node in graph.node:
            self._follow(node)
            if node.op_type == "Add" and len(self.values[node.output[0]][1]) == 1:
                self.graph.outputs = [self.values[node.output[0]][0]]
                return
        raise SystemExit("the network has no linear head over a mean; this is written for EfficientNet-Lite")

    def bytes(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), MARK)
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int = FLOAT, data: Any = None) -> int:
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

    def _write(self, to: str, shape: tuple[int, ...], code: str, inputs: list[int], kind: str, **options: Any) -> None:
        """One more operation, which makes the value ``to``; ``options`` are fields of the table ``kind``."""
        number = getattr(schema.BuiltinOperator, code)
        codes = [each.builtinCode for each in self.model.operatorCodes]
        if number not in codes:
            listed = schema.OperatorCodeT()
            listed.builtinCode, listed.deprecatedBuiltinCode, listed.version = number, min(number, 127), 1
            self.model.operatorCodes.append(listed)
            codes.append(number)
        self.values[to] = (self._tensor(to, (1, *shape)), shape)
        self.made[to] = getattr(schema, f"{kind}T")()
        for name, value in options.items():
            setattr(self.made[to], name, value)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = codes.index(number), inputs, [self.values[to][0]]
        made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), self.made[to]
        self.graph.operators.append(made)

    def _follow(self, node: onnx.NodeProto) -> None:
        (source, shape), to = self.values[node.input[0]], node.output[0]
        if node.op_type == "Transpose":  # LiteRT has the channels last, as the image has them
            self.values[to] = (source, shape)
        elif node.op_type == "Clip":
            self.made[node.input[0]].fusedActivationFunction = schema.ActivationFunctionType.RELU6
            self.values[to] = (source, shape)
        elif node.op_type == "Cast":
            kinds = {"inDataType": schema.TensorType.UINT8, "outDataType": FLOAT}
            self._write(to, shape, "CAST", [source], "CastOptions", **kinds)
        elif node.op_type in ("Add", "Mul"):
            inputs = [source, self._operand(node.input[1])]
            self._write(to, shape, node.op_type.upper(), inputs, f"{node.op_type}Options")
        elif node.op_type == "ReduceMean":
            axes = self._tensor("axes", (2,), schema.TensorType.INT32, np.array([1, 2], np.int32))
            self._write(to, shape[-1:], "MEAN", [source, axes], "ReducerOptions", keepDims=False)
        elif node.op_type == "Conv":
            self._convolve(node, source, shape)
        else:
            raise SystemExit(f"{node.op_type} is no operation that this knows")

    def _operand(self, name: str) -> int:
        if name in self.values:
            return self.values[name][0]
        data = self.weights[name].astype(np.float32).reshape(-1)
        return self._tensor(name, data.shape, data=data)

    def _convolve(self, node: onnx.NodeProto, source: int, shape: tuple[int, ...]) -> None:
        given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        kernel = self.weights[node.input[1]].astype(np.float32)  # [out, in of a group, height, width]
        bias = self.weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel))
        whole, stride = given.get("group", 1) == 1, given.get("strides", [1])[0]  # ONNX's defaults
        data = kernel.transpose(0, 2, 3, 1) if whole else kernel.transpose(1, 2, 3, 0)
        weights = self._tensor(node.input[1], data.shape, data=data)
        biases = self._tensor(f"{node.output[0]}.bias", bias.shape, data=bias.astype(np.float32))
        options = {"padding": schema.Padding.SAME, "strideH": stride, "strideW": stride}
        options |= {"dilationHFactor": 1, "dilationWFactor": 1} | ({} if whole else {"depthMultiplier": 1})
        code, kind = ("CONV_2D", "Conv2DOptions") if whole else ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions")
        result = (-(-shape[0] // stride), -(-shape[1] // stride), len(kernel))
        self._write(node.output[0], result, code, [source, weights, biases], kind, **options)


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(Converter(onnx.load(sys.argv[1]).graph).bytes())
