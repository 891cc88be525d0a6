"""What `bundle.engine` promises: a model that is what its manifest says, and answers to rely on."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper

import bundle
from bundle.answer import Timing
from bundle.engine import Engine, load
from bundle.errors import BundleError, GoldenMismatch, PictureError
from tests.tiny_bundle import COLOURS, make_bundle, make_model, picture

ANSWERS = {"red": "art", "green": "plant", "blue": "text", "grey": None}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(make_bundle(tmp_path / "promoted"))


def with_model(folder: Path, model: onnx.ModelProto | bytes) -> bundle.Bundle:
    """A bundle whose model is another than its manifest was made for, with hashes that fit."""
    manifest = make_bundle(folder).manifest
    data = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    bundle.seal(folder, manifest)
    return bundle.load(folder)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_answers_are_those_of_the_model(engine: Engine, colour: str, fmt: str) -> None:
    answer = engine.identify(picture(colour, fmt=fmt))
    assert answer.label == ANSWERS[colour]
    assert list(answer.probabilities) == ["art", "plant", "text"]
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    if answer.label:
        assert answer.probabilities[answer.label] > 0.9


def test_answer_as_json_has_the_keys_that_are_promised(engine: Engine) -> None:
    values = json.loads(json.dumps(engine.identify(picture("green")).to_json(), allow_nan=False))
    assert list(values) == ["label", "probabilities", "score", "threshold", "model", "timing_ms"]
    assert values["label"] == "plant"
    assert values["model"] == "tiny-00000000"
    assert list(values["timing_ms"]) == ["decode", "queue", "inference"]
    assert values["timing_ms"]["queue"] == 0.0
    assert values["timing_ms"]["decode"] > 0
    assert values["timing_ms"]["inference"] > 0


def test_none_of_these_is_null(engine: Engine) -> None:
    assert engine.identify(picture("grey")).to_json()["label"] is None


@pytest.mark.parametrize(("threshold", "label"), [(0.0, "art"), (0.7843, "art"), (0.785, None), (1.0, None)])
def test_the_threshold_decides_on_none_of_these(tmp_path: Path, threshold: float, label: str | None) -> None:
    """Red has 200 / 255 = 0.7843."""
    assert Engine(make_bundle(tmp_path, threshold=threshold)).identify(picture("red")).label == label


def test_a_batch_gives_what_its_frames_give_alone(engine: Engine) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), np.uint8)
    together = engine.run(frames)
    assert together.probabilities.shape == (7, 3)
    assert together.id_score.shape == (7,)
    for row, frame in enumerate(frames):
        alone = engine.run(frame[None])
        assert np.allclose(alone.probabilities[0], together.probabilities[row], atol=1e-6)
        assert np.allclose(alone.id_score[0], together.id_score[row], atol=1e-6)


def test_frames_need_not_be_contiguous(engine: Engine) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    mirrored = frames[:, :, ::-1]
    assert np.array_equal(engine.run(mirrored).id_score, engine.run(mirrored.copy()).id_score)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((1, 3, 32, 32), np.uint8),
        np.zeros((1, 31, 32, 3), np.uint8),
        np.zeros((0, 32, 32, 3), np.uint8),
    ],
    ids=["float", "no batch", "channels first", "other size", "empty"],
)
def test_other_frames_are_refused(engine: Engine, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="frames must be uint8"):
        engine.run(frames)


def test_threads_and_precision_are_set_explicitly(tmp_path: Path) -> None:
    for threads, concurrency in ((1, 1), (1, 2), (2, 1)):
        model = Engine(make_bundle(tmp_path), threads=threads, concurrency=concurrency)._model
        assert model.get_property("INFERENCE_NUM_THREADS") == threads * concurrency
        assert model.get_property("NUM_STREAMS") == concurrency
        assert model.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_bf16_is_fp32_within_the_tolerance_or_refused_where_the_processor_has_none(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    bundle.seal(tmp_path, made.manifest.model_copy(update={"golden_tolerance": 0.05}))
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        engine = Engine(bundle.load(tmp_path), "bf16")
        engine.check_golden()
        assert (engine.variant, engine.precision) == ("fp32", "bf16")
    else:
        with pytest.raises(BundleError, match="no bfloat16"):
            Engine(bundle.load(tmp_path), "bf16")


def test_bf16_runs_by_itself_where_the_processor_has_it_and_the_golden_frames_hold(tmp_path: Path) -> None:
    made = make_bundle(tmp_path, variants=("fp32", "int8"))
    has_it = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for tolerance, best in ((0.05, "bf16"), (1e-6, "fp32")):
        bundle.seal(tmp_path, made.manifest.model_copy(update={"golden_tolerance": tolerance}))
        assert load(bundle.load(tmp_path)).runs == (best if has_it else "fp32")
    assert load(bundle.load(tmp_path), "int8").runs == "int8"


def test_evidence_is_a_map_of_the_answers_label_and_null_without_one(engine: Engine) -> None:
    frame = np.zeros((1, 32, 32, 3), np.uint8)
    frame[:, :16, :, 1] = 255  # green in the upper half
    answer = engine.answer(engine.run(frame, explain=True), Timing(0, 0, 0)).to_json()
    evidence = answer["evidence"]
    assert (evidence["label"], evidence["height"], evidence["width"]) == ("plant", 32, 32)
    values = np.array(evidence["values"]).reshape(32, 32)
    assert (values[:16] > values[16:].max()).all()
    grey = np.full((1, 32, 32, 3), 128, np.uint8)
    assert engine.answer(engine.run(grey, explain=True), Timing(0, 0, 0)).to_json()["evidence"] is None
    assert "evidence" not in engine.answer(engine.run(frame), Timing(0, 0, 0)).to_json()


def test_many_threads_may_share_an_engine(engine: Engine) -> None:
    colours = list(COLOURS) * 25
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda colour: engine.identify(picture(colour)).label, colours))
    assert answers == [ANSWERS[colour] for colour in colours]


def test_a_bad_picture_leaves_the_engine_working(engine: Engine) -> None:
    for _ in range(3):
        with pytest.raises(PictureError):
            engine.identify(b"not a picture")
    assert engine.identify(picture("red")).label == "art"


def test_variant_is_the_default_or_the_one_that_is_named(tmp_path: Path) -> None:
    both = make_bundle(tmp_path, variants=("int8", "fp32"))
    assert Engine(both).variant == "int8"
    assert Engine(both, "fp32").variant == "fp32"


def test_variant_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has no variant int8; it has fp32"):
        Engine(make_bundle(tmp_path), "int8")


def test_golden_frames_are_reproduced(tmp_path: Path) -> None:
    both = make_bundle(tmp_path, variants=("fp32", "int8"))
    Engine(both).check_golden()
    Engine(both, "int8").check_golden()


def golden_with(manifest: bundle.Manifest, **changes: Any) -> bundle.Manifest:
    first, *others = manifest.golden
    return manifest.model_copy(update={"golden": (first.model_copy(update=changes), *others)})


@pytest.mark.parametrize(
    "changes",
    [{"probabilities": {"fp32": (0.9, 0.05, 0.05)}}, {"id_score": {"fp32": 0.7}}],
    ids=["probabilities", "id_score"],
)
def test_golden_mismatch_names_frame_and_numbers(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = make_bundle(tmp_path)
    bundle.seal(tmp_path, golden_with(made.manifest, **changes))
    engine = Engine(bundle.load(tmp_path))
    with pytest.raises(
        GoldenMismatch, match=r"golden/red\.png .*expected .* \(id_score .*got 0\.9992 0\.0004"
    ) as caught:
        engine.check_golden()
    assert "versions of openvino and pillow" in str(caught.value)


def test_golden_tolerance_is_that_of_the_bundle(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    slightly = golden_with(made.manifest, id_score={"fp32": 0.78})  # red has 0.7843
    bundle.seal(tmp_path, slightly.model_copy(update={"golden_tolerance": 0.005}))
    Engine(bundle.load(tmp_path)).check_golden()
    bundle.seal(tmp_path, slightly.model_copy(update={"golden_tolerance": 0.004}))
    with pytest.raises(GoldenMismatch, match=r"allowed 0\.004"):
        Engine(bundle.load(tmp_path)).check_golden()


def test_another_model_under_the_same_golden_frames_is_noticed(tmp_path: Path) -> None:
    engine = Engine(with_model(tmp_path, make_model(("art", "plant", "text"), 32, bias=(0, 0, 9))))
    with pytest.raises(GoldenMismatch):
        engine.check_golden()


def test_a_bundle_without_golden_frames_is_not_trusted(tmp_path: Path) -> None:
    bundle.seal(tmp_path, make_bundle(tmp_path).manifest.model_copy(update={"golden": ()}))
    with pytest.raises(GoldenMismatch, match="no golden frames"):
        Engine(bundle.load(tmp_path)).check_golden()


def test_a_golden_frame_that_is_no_picture_is_named(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    (tmp_path / "golden/red.png").write_text("x")
    bundle.seal(tmp_path, made.manifest)
    with pytest.raises(GoldenMismatch, match=r"golden/red\.png can't be decoded"):
        Engine(bundle.load(tmp_path)).check_golden()


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = make_model(("art", "plant", "text"), 32)
    change(model)
    return model


def labels_of(model: onnx.ModelProto, text: str) -> None:
    del model.metadata_props[:]
    helper.set_model_props(model, {"labels": text})


def fixed_batch(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    values = [*model.graph.input, *model.graph.output]
    next(value for value in values if value.name == old).name = new
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


DAMAGES: Sequence[tuple[str, onnx.ModelProto | bytes, str]] = [
    ("no model", b"this is no model", "no model that OpenVINO loads"),
    ("empty", b"", "no model that OpenVINO loads"),
    (
        "half",
        make_model(("art", "plant", "text"), 32).SerializeToString()[:300],
        "no model that OpenVINO loads",
    ),
    ("other size", make_model(("art", "plant", "text"), 48), r"uint8 \[batch, 32, 32, 3\]"),
    ("other labels", make_model(("cat", "plant", "text"), 32), r"labels \['cat', 'plant', 'text'\]"),
    ("other order", make_model(("plant", "art", "text"), 32), r"labels \['plant', 'art', 'text'\]"),
    ("more labels", make_model(("art", "plant", "text", "x"), 32), "labels"),
    ("no labels", changed(lambda m: m.metadata_props.pop()), "labels None"),
    ("odd labels", changed(lambda m: labels_of(m, "[art")), "no JSON"),
    ("input name", changed(lambda m: rename(m, "image", "x")), r"takes \['x u8"),
    ("output name", changed(lambda m: rename(m, "id_score", "x")), "gives .*'x'"),
    ("fixed batch", changed(fixed_batch), r"takes .*image u8 \[1,32,32,3\]"),
]


@pytest.mark.parametrize(("model", "why"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_a_model_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path, model: onnx.ModelProto | bytes, why: str
) -> None:
    with pytest.raises(BundleError, match=why) as caught:
        Engine(with_model(tmp_path, model))
    assert str(tmp_path / "model.onnx") in str(caught.value)
    assert "dvc repro" in str(caught.value)


def test_a_model_that_lies_about_its_labels_is_refused(tmp_path: Path) -> None:
    """Metadata for three labels, numbers for four."""
    model = make_model(("art", "plant", "text", "x"), 32)
    labels_of(model, '["art", "plant", "text"]')
    with pytest.raises(BundleError, match="gives shapes"):
        Engine(with_model(tmp_path, model))


def test_a_float_input_is_refused(tmp_path: Path) -> None:
    """Normalisation belongs inside the graph; a model that wants it done outside is none of ours."""
    model = make_model(("art", "plant", "text"), 32)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    with pytest.raises(BundleError, match=r"takes \['image f32"):
        Engine(with_model(tmp_path, model))


def test_a_bundle_that_was_exchanged_after_loading_is_noticed(tmp_path: Path) -> None:
    loaded = make_bundle(tmp_path)
    make_bundle(tmp_path, bias=(1.0, 0.0, 0.0))
    with pytest.raises(BundleError, match="sha256 differs"):
        Engine(loaded)
