"""The network as it is served: one graph from pixels to calibrated answers, with a head that can be replaced."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from scipy.special import softmax
from torch import nn

from bundle.engine import Output
from pipeline.export import golden
from pipeline.export.int8 import agreement, quantize
from pipeline.models.backbones import Backbone
from pipeline.models.graph import FEATURES, export_body, infer, parity, run, with_head
from pipeline.models.head import Head

LABELS = ("art", "plant", "text")
SIZE = 32
FRAMES = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter's and the quantiser's own deprecations


def body() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6()).eval()


def head(outputs: int, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(0, 2, (outputs, 8)), rng.normal(0, 1, outputs)
    return Head(weights.astype(np.float32), bias.astype(np.float32))


@pytest.fixture(scope="module")
def below() -> bytes:
    """The body as a graph."""
    return export_body(body(), Backbone(lambda _: body(), 8, (MEAN, STD), lambda each: (each, each)), SIZE)


@pytest.fixture
def model(below: bytes) -> bytes:
    return with_head(below, head(4), 1.0, LABELS)


def by_hand(of: Head, temperature: float) -> np.ndarray:
    """Logits [5, outputs]."""
    pixels = (FRAMES / 255 - np.array(MEAN)) / np.array(STD)
    with torch.no_grad():
        maps = body()(torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)).numpy()
    return np.asarray(of.logits(maps.mean((2, 3))) / temperature)


def same(output: Output, logits: np.ndarray) -> None:
    assert output.probabilities == pytest.approx(softmax(logits[:, :3], axis=1), abs=1e-5)
    assert output.id_score == pytest.approx(1 - softmax(logits, axis=1)[:, 3], abs=1e-5)


def test_the_graph_does_normalisation_head_and_softmax(model: bytes) -> None:
    same(run(model, FRAMES), by_hand(head(4), 1.0))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_any_head_fits_on_the_body_with_its_temperature(below: bytes, temperature: float) -> None:
    same(run(with_head(below, head(4, seed=5), temperature, LABELS), FRAMES), by_hand(head(4, seed=5), temperature))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_mean_of_a_labels_evidence_and_its_bias_are_its_logit(below: bytes, temperature: float) -> None:
    output = run(with_head(below, head(4), temperature, LABELS), FRAMES)
    assert output.evidence is not None
    assert output.evidence.shape == (5, 3, 15, 15)
    logits = output.evidence.mean((2, 3)) + head(4).bias[:3] / temperature
    assert logits == pytest.approx(by_hand(head(4), temperature)[:, :3], abs=1e-4)
    assert softmax(logits, axis=1) == pytest.approx(output.probabilities, abs=1e-4)


def test_without_a_none_output_known_is_the_largest_probability(below: bytes) -> None:
    output = run(with_head(below, head(3), 1.0, LABELS), FRAMES)
    assert output.id_score == pytest.approx(output.probabilities.max(1))


def test_the_features_are_what_the_head_makes_its_logits_of(below: bytes, model: bytes) -> None:
    (maps,) = infer(below, [FEATURES], FRAMES)
    assert maps.shape == (5, 8, 15, 15)
    same(run(model, FRAMES), head(4).logits(maps.mean((2, 3))))


def test_torch_and_the_graph_agree_and_the_graph_says_how_well(below: bytes) -> None:
    assert 0 <= parity(below) < 1e-5


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(model: bytes) -> None:
    whole = run(model, FRAMES)
    for i in range(len(FRAMES)):
        assert np.array_equal(run(model, FRAMES[i : i + 1]).probabilities[0], whole.probabilities[i])


def test_labels_travel_in_the_metadata_and_nothing_else_does(model: bytes) -> None:
    assert {p.key: p.value for p in onnx.load_from_string(model).metadata_props} == {
        "labels": '["art", "plant", "text"]'
    }
    assert str(Path.cwd()).encode() not in model


def test_the_same_weights_give_the_same_bytes(below: bytes, model: bytes) -> None:
    again = export_body(body(), Backbone(lambda _: body(), 8, (MEAN, STD), lambda each: (each, each)), SIZE)
    assert again == below
    assert with_head(again, head(4), 1.0, LABELS) == model


def test_int8_follows_fp32_and_takes_a_head_of_its_own(below: bytes, model: bytes) -> None:
    int8 = quantize(below, FRAMES)
    assert any("Quantize" in node.op_type for node in onnx.load_from_string(int8).graph.node)
    assert run(with_head(int8, head(4), 1.0, LABELS), FRAMES).probabilities == pytest.approx(
        run(model, FRAMES).probabilities, abs=0.05
    )
    (maps,) = infer(int8, [FEATURES], FRAMES)
    same(run(with_head(int8, head(4, seed=5), 0.5, LABELS), FRAMES), head(4, seed=5).logits(maps.mean((2, 3))) / 0.5)


def test_two_variants_agree_on_the_views_that_both_answer_alike(below: bytes, model: bytes) -> None:
    assert agreement({"fp32": (model, 0.5), "twin": (model, 0.5)}, FRAMES) == 1
    assert agreement({"fp32": (model, 0.0), "one that rejects all": (model, 1.1)}, FRAMES) == 0


def test_int8_weights_leave_a_bit_so_that_every_x86_processor_gives_the_same_answer(below: bytes) -> None:
    """Without VNNI two products are added in 16 bits: 2 * 255 * 64 fits, 2 * 255 * 127 does not."""
    int8 = quantize(below, FRAMES)
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(int8).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert weights
    assert max(int(abs(weight.astype(int)).max()) for weight in weights) <= 64


def test_golden_frames_are_made_differ_from_each_other_and_say_what_the_model_says(
    model: bytes, tmp_path: Path
) -> None:
    found = golden.write(tmp_path, SIZE, {"fp32": model})
    frames = []
    for each in found:
        with Image.open(tmp_path / each.file) as frame:
            frames.append(np.asarray(frame))
    assert len(found) == golden.FRAMES
    assert len({frame.tobytes() for frame in frames}) == golden.FRAMES
    assert np.array_equal(frames, [golden.made(SIZE, seed) for seed in range(golden.FRAMES)])
    output = run(model, np.stack(frames))
    assert np.array([each.probabilities["fp32"] for each in found]) == pytest.approx(output.probabilities)
    assert [each.id_score["fp32"] for each in found] == pytest.approx(output.id_score)
