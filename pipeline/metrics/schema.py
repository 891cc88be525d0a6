"""What `evaluate` measures of a bundle, as reports/evaluation.json and the manifest's ``metrics`` hold it.

Terms are those of open-set recognition (Scheirer et al. 2013): a picture of a label can be answered with its label,
with another, or rejected ("none of these"); a picture of none of the labels can be rejected, or accepted.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bundle import VariantName


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Frozen):
    """A figure with its 95 % interval over ``n`` pictures; all None where there was nothing to measure."""

    value: float | None
    low: float | None
    high: float | None
    n: int = Field(ge=0)


class Scores(_Frozen):
    """One set of pictures, answered by one variant at its own threshold; shares in 0..1.

    Attributes:
        served_accuracy: of the labels' pictures, the share that is answered with its label: right and not rejected.
        closed_set_accuracy: of the labels' pictures, the share whose likeliest label is right, rejected or not.
        fnr: of the labels' pictures, the share that is rejected.
        fpr: of the pictures of none of the labels, the share that is accepted.
        auroc: how well ``id_score`` tells the labels' pictures from the others (0.5: by chance).
        open_set_accuracy: of all pictures, the share that gets the answer it should: its label, or "none of these".
        log_loss: of the labels' pictures, nats.
        calibration_error: of the labels' pictures, debiased (see `pipeline.metrics.calibration`).
        recall: served accuracy of each label.
        precision: of the pictures that are answered with the label, the share that shows it.
        confusion: [truth, answer], the labels in their order and "none of these" last; numbers of pictures.
    """

    served_accuracy: Figure
    closed_set_accuracy: Figure
    fnr: Figure
    fpr: Figure
    auroc: Figure
    open_set_accuracy: Figure
    log_loss: Figure
    calibration_error: Figure
    recall: dict[str, Figure]
    precision: dict[str, Figure]
    confusion: list[list[int]]


class Elsewhere(_Frozen):
    """Pictures from sources that the head was not fitted on.

    Attributes:
        method: how the pictures were parted; "leave-one-source-out" where sources are known, else by group.
        recipe: what was fitted without each part: the probe, or the whole recipe.
        parts: number of sources, or of folds.
        variants: the figures of each variant.
        baselines: served accuracy of what anyone would try first, on the same pictures.
    """

    method: Literal["leave-one-source-out", "grouped-k-fold"]
    recipe: str
    parts: int
    variants: dict[VariantName, Scores]
    baselines: dict[str, Figure]


class Latency(_Frozen):
    """Of single inferences on one thread, decoding not included, in milliseconds."""

    p50: float
    p95: float


class VariantFacts(_Frozen):
    """What is measured of a variant besides its answers.

    Attributes:
        size_mb: of the ONNX file, 10^6 bytes.
        latency_ms: see `Latency`.
        agreement: share of views with the same served answer as fp32; 1 for fp32 itself.
        threshold: on ``id_score``, below it "none of these".
        temperature: what the logits were divided by.
    """

    size_mb: float
    latency_ms: Latency
    agreement: float
    threshold: float
    temperature: float


class Condition(_Frozen):
    """The test pictures under one corruption: shares in 0..1 of the labels' pictures."""

    served_accuracy: float
    closed_set_accuracy: float
    fnr: float


class Gain(_Frozen):
    """What 20 more photos of a label are expected to bring; None where the interval is too wide to help."""

    photos: int
    expected: float | None  # of served accuracy of the label, from elsewhere
    low: float | None
    high: float | None


class Evidence(_Frozen):
    """Sanity checks of the class activation maps, see `pipeline.evaluate.evidence`; shares and differences in -1..1.

    Attributes:
        pictures: test pictures of the labels.
        drop_hot: mean fall of the label's probability when the hottest quarter is covered.
        drop_random: the same when a random quarter is covered.
        correlation_random_head: mean rank correlation with the maps of a head of random weights.
        border: share of the positive evidence that lies on the outermost places.
        border_places: their share of all places.
    """

    pictures: int
    drop_hot: float
    drop_random: float
    correlation_random_head: float
    border: float
    border_places: float


class Exported(_Frozen):
    """What export says of a bundle before it is measured; it is in `Metrics` as well.

    Attributes:
        recipe: "probe", "finetune" or "scratch".
        strength: of the head's fit, see `pipeline.models.head`.
        rejected: share of the labels' pictures that the threshold may reject.
        parity: largest difference of a probability between torch and ONNX.
    """

    recipe: str
    strength: float
    rejected: float
    parity: float


class Metrics(Exported):
    """Everything that is measured of one bundle.

    Attributes:
        elsewhere: pictures from sources that were left out: the headline.
        test: the test split, by variant; its sources are those of training, so it flatters.
        test_baselines: served accuracy on the test split of what anyone would try first.
        by_kind: closed-set accuracy on the test split by kind of picture (real, rendered, captured).
        robustness: the default variant on the test split under corruptions of a camera.
        variants: size, time, agreement.
        learning_curve: for each label what more photos are expected to gain.
        evidence: sanity checks of the class activation maps.
    """

    elsewhere: Elsewhere
    test: dict[VariantName, Scores]
    test_baselines: dict[str, Figure]
    by_kind: dict[str, Figure]
    robustness: dict[str, Condition]
    variants: dict[VariantName, VariantFacts]
    learning_curve: dict[str, Gain]
    evidence: Evidence | None
