"""A model bundle in milliseconds: it looks at the mean colour only, but is a real model in a real bundle.

Red pictures are the first label, green the second, blue the third (more labels get nothing); grey, black and
white are none of them, for `id_score` is the colour's saturation: a test can say what the answer must be.
"""

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import bundle
from bundle import decode

COLOURS: Final = {
    "red": (220, 20, 20),
    "green": (20, 200, 30),
    "blue": (20, 30, 210),
    "grey": (128, 128, 128),
}
VARIANT_FILES: Final[dict[bundle.VariantName, str]] = {"fp32": "model.onnx", "int8": "model.int8.onnx"}


def picture(colour: str | tuple[int, int, int], size: tuple[int, int] = (64, 48), fmt: str = "PNG") -> bytes:
    """A picture file of one colour; ``colour`` is a name of `COLOURS` or an RGB triple."""
    buffer = io.BytesIO()
    rgb = COLOURS[colour] if isinstance(colour, str) else colour
    Image.new("RGB", size, rgb).save(buffer, fmt)
    return buffer.getvalue()


def make_model(labels: Sequence[str], size: int, bias: Sequence[float] | None = None) -> onnx.ModelProto:
    """image uint8 [batch, size, size, 3] -> mean colour -> probabilities by channel, id_score by saturation."""
    count = len(labels)
    weights = np.zeros((3, count), np.float32)
    weights[range(min(3, count)), range(min(3, count))] = 10.0
    offset = np.zeros(count, np.float32) if bias is None else np.asarray(bias, np.float32)
    constants = {
        "scale": np.float32(255),
        "weights": weights,
        "offset": offset,
        "channel": np.array([1], np.int64),
        "flat": np.array([-1], np.int64),
        "area": np.array([1, 2], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "area"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["unit", "weights"], ["places"]),
        helper.make_node("Transpose", ["places"], ["evidence"], perm=[0, 3, 1, 2]),
        helper.make_node("MatMul", ["colour", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "offset"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("ReduceMax", ["colour", "channel"], ["most"], keepdims=0),
        helper.make_node("ReduceMin", ["colour", "channel"], ["least"], keepdims=0),
        helper.make_node("Sub", ["most", "least"], ["spread"]),
        helper.make_node("Reshape", ["spread", "flat"], ["id_score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", count]),
            helper.make_tensor_value_info("id_score", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", count, size, size]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"labels": json.dumps(list(labels))})
    onnx.checker.check_model(model)
    return model


def make_bundle(
    folder: Path,
    labels: Sequence[str] = ("art", "plant", "text"),
    size: int = 32,
    version: str = "tiny-00000000",
    bias: Sequence[float] | None = None,
    threshold: float = 0.3,
    variants: Sequence[bundle.VariantName] = ("fp32",),
    card: bool = True,
) -> bundle.Bundle:
    """Write a whole bundle into ``folder`` (made if it is missing) and load it.

    Args:
        folder: where.
        labels: two or more names.
        size: input size in pixels.
        version: the manifest's version.
        bias: added to the logits, one per label; another bias is another model with another fingerprint.
        threshold: `id_score` below is none of the labels; pure colours have about 0.75, grey has 0.
        variants: which files to write; int8 is the same graph under the other name.
        card: write MODEL_CARD.md and MODEL_CARD.html.
    """
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    serialised = make_model(labels, size, bias).SerializeToString()
    for name in variants:
        (folder / VARIANT_FILES[name]).write_bytes(serialised)
    if card:
        (folder / "MODEL_CARD.md").write_text(f"# {version}\n\nA toy that looks at colour only.\n")
        (folder / "MODEL_CARD.html").write_text(f"<h1>{version}</h1>\n<p>A toy that looks at colour only.</p>\n")
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    golden = []
    for colour in COLOURS:
        data = picture(colour)
        (folder / "golden" / f"{colour}.png").write_bytes(data)
        probabilities, id_score = session.run(["probabilities", "id_score"], {"image": decode.decode(data, size)[None]})
        golden.append(
            bundle.Golden(
                file=f"golden/{colour}.png",
                probabilities={name: tuple(map(float, probabilities[0])) for name in variants},
                id_score={name: float(id_score[0]) for name in variants},
            )
        )
    manifest = bundle.Manifest(
        version=version,
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        labels=tuple(labels),
        input=bundle.InputSpec(size=size),
        variants={
            name: bundle.Variant(file=VARIANT_FILES[name], threshold=threshold, temperature=1.0) for name in variants
        },
        default_variant=variants[0],
        golden=tuple(golden),
        golden_tolerance=0.001,
        lineage=bundle.Lineage(
            git_commit="0" * 40,
            git_dirty=False,
            data_hash="0" * 32,
            config={},
            config_hash="0" * 64,
            mlflow_run_id="0" * 32,
        ),
    )
    bundle.seal(folder, manifest)
    return bundle.load(folder)
