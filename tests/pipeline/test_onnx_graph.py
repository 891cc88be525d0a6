"""The network as it is served: one graph from pixels to calibrated answers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pipeline.export.graph import Served, export, quantize, run, set_temperature

LABELS = ("art", "plant", "text")
SIZE = 32
FRAMES = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter's and the quantiser's own deprecations


def network(outputs: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs)
    ).eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export(Served(network(4), 3, MEAN, STD), SIZE, LABELS, path)
    return path


def by_hand(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    pixels = (FRAMES / 255 - np.array(MEAN)) / np.array(STD)
    with torch.no_grad():
        logits = network(4)(torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)) / temperature
    return logits[:, :3].softmax(1).numpy(), (1 - logits.softmax(1)[:, 3]).numpy()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_the_graph_does_normalisation_temperature_and_softmax(model: Path, temperature: float) -> None:
    set_temperature(model, temperature, LABELS)
    probabilities, id_score = by_hand(temperature)
    output = run(model, FRAMES)
    assert output.probabilities == pytest.approx(probabilities, abs=1e-5)
    assert output.id_score == pytest.approx(id_score, abs=1e-5)


def test_without_a_none_output_known_is_the_largest_probability(tmp_path: Path) -> None:
    export(Served(network(3), 3, MEAN, STD), SIZE, LABELS, tmp_path / "model.onnx")
    output = run(tmp_path / "model.onnx", FRAMES)
    assert output.id_score == pytest.approx(output.probabilities.max(1))


def test_the_batch_is_free(model: Path) -> None:
    whole, single = run(model, FRAMES), run(model, FRAMES, batch=1)
    assert single.probabilities == pytest.approx(whole.probabilities, abs=1e-6)


def test_labels_travel_in_the_metadata_and_nothing_else_does(model: Path) -> None:
    assert {p.key: p.value for p in onnx.load(model).metadata_props} == {"labels": '["art", "plant", "text"]'}
    assert str(Path.cwd()).encode() not in model.read_bytes()


def test_the_same_weights_give_the_same_bytes(model: Path, tmp_path: Path) -> None:
    set_temperature(model, 1.5, LABELS)
    again = tmp_path / "elsewhere.onnx"
    export(Served(network(4), 3, MEAN, STD), SIZE, LABELS, again)
    set_temperature(again, 1.5, LABELS)
    assert again.read_bytes() == model.read_bytes()


def test_int8_follows_fp32_and_takes_its_own_temperature(model: Path, tmp_path: Path) -> None:
    set_temperature(model, 2.0, LABELS)
    int8 = tmp_path / "model.int8.onnx"
    quantize(model, int8, FRAMES, LABELS)
    assert any("Quantize" in node.op_type for node in onnx.load(int8).graph.node)
    assert run(int8, FRAMES).probabilities == pytest.approx(run(model, FRAMES).probabilities, abs=0.03)
    set_temperature(int8, 0.2, LABELS)
    assert run(int8, FRAMES).probabilities.max() > run(model, FRAMES).probabilities.max()
    assert [path.name for path in tmp_path.iterdir()] == ["model.int8.onnx"], (
        "something half-written was left"
    )


def test_int8_weights_leave_a_bit_so_that_every_x86_processor_gives_the_same_answer(
    model: Path, tmp_path: Path
) -> None:
    """Without VNNI two products are added in 16 bits: 2 * 255 * 64 fits, 2 * 255 * 127 does not."""
    int8 = tmp_path / "model.int8.onnx"
    quantize(model, int8, FRAMES, LABELS)
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(int8).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert weights
    assert max(int(abs(weight.astype(int)).max()) for weight in weights) <= 64
