"""Answers from one model bundle, by OpenVINO on the CPU.

It reads the bundle's ONNX files, and is the fastest engine for them in the service (docs/bench-service.md has the
comparison). Threads and precision are set explicitly: the engine's defaults size themselves to the host, not to the
container's share of it, and take bfloat16 without a look at the golden frames.
"""

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, Final

import numpy as np
import openvino
from numpy.typing import NDArray

from bundle import Bundle, Variant, VariantName, decode
from bundle.answer import Answer, Evidence, Timing
from bundle.errors import BundleError, GoldenMismatch, PictureError

__all__ = ["BF16", "EVIDENCE", "INPUT", "OUTPUTS", "Answer", "Engine", "Output", "Timing", "load"]

INPUT: Final = "image"
OUTPUTS: Final = ("probabilities", "id_score")
EVIDENCE: Final = "evidence"
BF16: Final = "bf16"  # the fp32 file, computed in bfloat16


@dataclass(frozen=True)
class Output:
    """What a model says about a batch of frames."""

    probabilities: NDArray[np.float32]  # [batch, labels], calibrated, sums to 1 over the labels
    id_score: NDArray[np.float32]  # [batch], 0..1, how sure that it is one of the labels at all
    evidence: NDArray[np.float32] | None = None  # [batch, labels, height, width]: class activation maps


class Engine:
    """One variant of one bundle, loaded and warm.

    All methods are safe to call from any thread; ``concurrency`` calls run at one time, and each occupies ``threads``
    cores while it runs. The answer for a frame does not depend on what else is in its batch.
    """

    def __init__(self, bundle: Bundle, variant: str | None = None, threads: int = 1, concurrency: int = 1) -> None:
        """Load and warm up.

        Args:
            bundle: from `bundle.folder.load`.
            variant: "fp32", "int8", or "bf16" (fp32 in bfloat16); the bundle's default without it.
            threads: cores that one inference uses.
            concurrency: inferences that run at one time.

        Raises:
            BundleError: no such variant, or the model is not what the manifest says.
        """
        self.bundle = bundle
        self.labels = bundle.manifest.labels
        self.size = bundle.manifest.input.size
        self.precision = BF16 if variant == BF16 else "f32"
        self.variant: VariantName = _choose(bundle, "fp32" if variant == BF16 else variant)
        self.threshold = self._spec.threshold
        self._model = self._compile(threads, concurrency)
        self._requests: deque[Any] = deque()  # an infer request is of one thread at a time
        self._warm_up()

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.bundle.manifest.version

    @property
    def runs(self) -> str:
        """What computes the answers: fp32, bf16 or int8."""
        return BF16 if self.precision == BF16 else self.variant

    def run(self, frames: NDArray[np.uint8], *, explain: bool = False) -> Output:
        """Infer a batch.

        Args:
            frames: uint8 [batch, size, size, 3], RGB, as `bundle.decode.to_frame` makes them.
            explain: also give the class activation maps (Zhou et al. 2016).

        Raises:
            ValueError: another type or shape.
        """
        expected = (self.size, self.size, 3)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != expected or not len(frames):
            raise ValueError(f"frames must be uint8 [batch, *{expected}], got {frames.dtype} {frames.shape}")
        wanted = [*OUTPUTS, EVIDENCE] if explain else list(OUTPUTS)
        try:
            request = self._requests.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            rows = [self._infer(request, frame, wanted) for frame in np.ascontiguousarray(frames)]
        finally:
            self._requests.append(request)
        return Output(*(np.concatenate(column) for column in zip(*rows, strict=True)))

    def identify(
        self, data: bytes, *, max_pixels: int = decode.MAX_PIXELS, explain: bool = False, queued: float = 0.0
    ) -> Answer:
        """Decode a picture file and say what is in it.

        Args:
            data: the file.
            max_pixels: limit on width x height.
            explain: also say where in the frame the label shows.
            queued: milliseconds that the picture has waited, for the answer's timing.

        Raises:
            PictureError: it can't be decoded; see `bundle.decode.open_rgb`.
        """
        start = perf_counter()
        frame = decode.decode(data, self.size, max_pixels=max_pixels)
        decoded = perf_counter()
        output = self.run(frame[None], explain=explain)
        inferred = perf_counter()
        spent = Timing(decode=(decoded - start) * 1e3, queue=queued, inference=(inferred - decoded) * 1e3)
        return self.answer(output, spent)

    def answer(self, output: Output, timing: Timing, row: int = 0) -> Answer:
        """Read the answer for one frame of a batch: the likeliest label, or none where `id_score` is too low."""
        probabilities = output.probabilities[row].tolist()
        id_score = float(output.id_score[row])
        best = int(np.argmax(output.probabilities[row]))
        label = self.labels[best] if id_score >= self.threshold else None
        answer = Answer(
            label=label,
            probabilities=dict(zip(self.labels, probabilities, strict=True)),
            id_score=id_score,
            threshold=self.threshold,
            model=self.version,
            timing=timing,
        )
        if output.evidence is None:
            return answer
        found = Evidence.of(label, output.evidence[row, best]) if label is not None else None
        return answer.model_copy(update={"evidence": found})

    def check_golden(self) -> None:
        """Decode and infer the bundle's golden frames and compare with what the pipeline got for them.

        Raises:
            GoldenMismatch: a number differs by more than the bundle's tolerance, or there are no such frames.
            BundleError: a golden file is damaged.
        """
        manifest = self.bundle.manifest
        if not manifest.golden:
            raise GoldenMismatch(f"{self.bundle.folder} has no golden frames; nothing proves that it works here")
        for golden in manifest.golden:
            path = self.bundle.path(golden.file)
            try:
                frame = decode.decode(self.bundle.read(golden.file), self.size)
            except PictureError as error:
                raise GoldenMismatch(f"{path} can't be decoded here: {error}") from error
            output = self.run(frame[None])
            got = np.append(output.probabilities[0], output.id_score[0])
            expected = np.append(golden.probabilities[self.variant], golden.id_score[self.variant])
            off = float(np.max(np.abs(got - expected)))
            if not off <= manifest.golden_tolerance:  # so written, NaN is a mismatch too
                raise GoldenMismatch(
                    f"{path} gives other numbers here than in the pipeline ({self.runs}, "
                    f"off by {off:.4f}, allowed {manifest.golden_tolerance:g}): "
                    f"expected {_numbers(expected)}, got {_numbers(got)}; "
                    "compare the versions of openvino and pillow with those of the pipeline"
                )

    @property
    def _spec(self) -> Variant:
        return self.bundle.manifest.variants[self.variant]

    def _refuse(self, why: str) -> BundleError:
        path = self.bundle.path(self._spec.file)
        return BundleError(f"{path} {why}; export the bundle again (`dvc repro`)")

    def _compile(self, threads: int, concurrency: int) -> Any:  # an openvino.CompiledModel
        if self.precision == BF16 and not _has_bf16():
            raise BundleError("this processor has no bfloat16; take the variant fp32 or int8")
        options = {
            "NUM_STREAMS": concurrency,
            "INFERENCE_NUM_THREADS": threads * concurrency,
            "INFERENCE_PRECISION_HINT": self.precision,
            "ENABLE_CPU_PINNING": False,  # others may use the cores, too
        }
        path = self.bundle.verified(self._spec.file)
        try:
            model = _core().read_model(path)  # of bytes, OpenVINO would hold two more copies
        except RuntimeError as error:
            raise self._refuse(f"is no model that OpenVINO loads ({_short(error)})") from error
        self._check_signature(model)
        try:
            model.reshape([1, self.size, self.size, 3])  # batches buy nothing on a CPU, and a free size costs
            return _core().compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise self._refuse(f"can't be compiled ({_short(error)})") from error

    def _infer(self, request: Any, frame: NDArray[np.uint8], wanted: list[str]) -> list[NDArray[np.float32]]:
        request.infer({INPUT: frame[None]}, share_inputs=True)
        return [request.get_tensor(name).data.copy() for name in wanted]

    def _check_signature(self, model: Any) -> None:
        """Compare names, types and labels inside the model with the manifest."""
        inputs = [_port(port) for port in model.inputs]
        if inputs != [f"{INPUT} u8 [?,{self.size},{self.size},3]"]:
            raise self._refuse(f"takes {inputs}, not {INPUT} uint8 [batch, {self.size}, {self.size}, 3]")
        outputs = {port.get_any_name(): port.element_type.get_type_name() for port in model.outputs}
        wanted = (*OUTPUTS, EVIDENCE)
        if outputs != dict.fromkeys(wanted, "f32"):
            raise self._refuse(f"gives {outputs}, not {', '.join(wanted)} as float32")
        path = ["framework", "labels"]  # where OpenVINO keeps an ONNX file's metadata
        said = model.get_rt_info(path).astype(str) if model.has_rt_info(path) else "null"
        try:
            labels = json.loads(said)
        except ValueError as error:
            raise self._refuse("has labels in its metadata that are no JSON") from error
        if labels != list(self.labels):
            raise self._refuse(f"was made for the labels {labels}, the manifest says {list(self.labels)}")

    def _warm_up(self) -> None:
        """Run twice, so that the first answer is as fast as the next, and look at what comes out."""
        for batch in (2, 1):
            try:
                output = self.run(np.zeros((batch, self.size, self.size, 3), np.uint8), explain=True)
            except RuntimeError as error:
                raise self._refuse(f"fails on a batch of {batch} ({_short(error)})") from error
            assert output.evidence is not None
            shapes = (output.probabilities.shape, output.id_score.shape, output.evidence.shape[:2])
            if shapes != ((batch, len(self.labels)), (batch,), (batch, len(self.labels))):
                raise self._refuse(f"gives shapes {shapes} for a batch of {batch} and {len(self.labels)} labels")


def load(bundle: Bundle, variant: str | None = None, concurrency: int = 1) -> Engine:
    """The engine of a bundle, proved on its golden frames.

    Without ``variant`` it computes the fp32 file in bfloat16 where the processor has that (as fast as int8, and closer
    to fp32: docs/service.md) and the golden frames hold, else the bundle's default. The tolerance is the manifest's
    ``golden_tolerance`` for every variant: what an answer may be off.

    Raises:
        BundleError: as `Engine` and its ``check_golden``.
    """
    if variant is None and "fp32" in bundle.manifest.variants and _has_bf16():
        with suppress(GoldenMismatch):
            engine = Engine(bundle, BF16, concurrency=concurrency)
            engine.check_golden()
            return engine
    engine = Engine(bundle, variant, concurrency=concurrency)
    engine.check_golden()
    return engine


@cache
def _core() -> Any:  # an openvino.Core: one for the process, as each loads the plugin for itself
    return openvino.Core()


def _has_bf16() -> bool:
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _choose(bundle: Bundle, variant: str | None) -> VariantName:
    """Find the variant that was asked for among those of the bundle."""
    for name in bundle.manifest.variants:
        if name == (variant or bundle.manifest.default_variant):
            return name
    have = ", ".join(bundle.manifest.variants)
    raise BundleError(f"{bundle.folder} has no variant {variant}; it has {have}")


def _port(port: Any) -> str:
    """Write name, type and shape of a model's input."""
    shape = str(port.partial_shape)
    return f"{port.get_any_name()} {port.element_type.get_type_name()} {shape}"


def _short(error: RuntimeError) -> str:
    """OpenVINO's own sentence, without the places in its source."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
    return " ".join(lines)[:300]


def _numbers(values: NDArray[np.floating[Any]]) -> str:
    """Write probabilities and, last, `id_score`."""
    *probabilities, id_score = (f"{value:.4f}" for value in values)
    return f"{' '.join(probabilities)} (id_score {id_score})"
