"""How much work the promoted network is."""

from pathlib import Path

import onnx
from onnx import shape_inference


def macs(model: Path) -> int:
    """Multiplications with additions of convolutions and matrices, for one picture."""
    graph = onnx.load(model)
    for each in (*graph.graph.input, *graph.graph.output):
        each.type.tensor_type.shape.dim[0].dim_value = 1  # else the batch has no number
    graph = shape_inference.infer_shapes(graph, data_prop=True).graph
    known = (*graph.value_info, *graph.output)
    shapes = {each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim] for each in known}
    weights = {each.name: list(each.dims) for each in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            _, channels, height, width = shapes[node.output[0]]
            _, *each = weights[node.input[1]]  # channels in of a group, kernel
            total += channels * height * width * _product(each)
        elif node.op_type == "Gemm":
            total += _product(weights[node.input[1]])
    return total


def _product(numbers: list[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product
