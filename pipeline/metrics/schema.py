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
    """One set of pictures, answered by one variant at its own threshold; shares in 0..1."""

    served_accuracy: Figure  # of the labels' pictures, those answered with their label: right and not rejected
    closed_set_accuracy: Figure  # of the labels' pictures, those whose likeliest label is right, rejected or not
    fnr: Figure  # of the labels' pictures, those rejected
    fpr: Figure  # of the pictures of none of the labels, those accepted
    auroc: Figure  # how well ``id_score`` tells the labels' pictures from the others (0.5: by chance)
    open_set_accuracy: Figure  # of all pictures, those that get the answer they should: label, or "none of these"
    log_loss: Figure  # of the labels' pictures, nats
    calibration_error: Figure  # of the labels' pictures, debiased (see `pipeline.metrics.calibration`)
    overconfidence: Figure  # the part of it that comes from answers that are surer than right
    recall: dict[str, Figure]  # served accuracy of each label
    precision: dict[str, Figure]  # of the pictures that are answered with the label, those that show it
    confusion: list[list[int]]  # pictures [truth, answer], the labels in their order and "none of these" last


class Elsewhere(_Frozen):
    """Pictures from sources that the head was not fitted on; sources where they are known, else groups."""

    method: Literal["leave-one-source-out", "grouped-k-fold"]
    recipe: str  # what was fitted without each part: the probe, or the whole recipe
    parts: int  # number of sources, or of folds
    variants: dict[VariantName, Scores]
    baselines: dict[str, Figure]  # served accuracy of what anyone would try first, on the same pictures


class Latency(_Frozen):
    """Of single inferences on one thread, decoding not included, in milliseconds."""

    p50: float
    p95: float


class VariantFacts(_Frozen):
    """What is measured of a variant besides its answers."""

    size_mb: float  # of the ONNX file, 10^6 bytes
    latency_ms: Latency
    agreement: float  # share of views with the same served answer as fp32; 1 for fp32 itself
    threshold: float  # on ``id_score``, below it "none of these"
    temperature: float  # what the logits were divided by


class Condition(_Frozen):
    """The test pictures under one corruption: shares in 0..1 of the labels' pictures."""

    served_accuracy: float
    closed_set_accuracy: float
    fnr: float


class Gain(_Frozen):
    """What more photos of a label are expected to bring; None where the interval is too wide to help."""

    photos: int  # how many more
    expected: float | None  # of served accuracy of the label, from elsewhere
    low: float | None
    high: float | None


class Evidence(_Frozen):
    """Sanity checks of the class activation maps, see `pipeline.evaluate.evidence`; shares and differences in -1..1."""

    pictures: int  # test pictures of the labels
    drop_hot: float  # mean fall of the label's probability when the hottest quarter is covered
    drop_random: float  # the same when a random quarter is covered
    correlation_random_head: float  # mean rank correlation with the maps of a head of random weights
    border: float  # share of the positive evidence that lies on the outermost places
    border_places: float  # their share of all places


class Exported(_Frozen):
    """What export says of a bundle before it is measured; it is in `Metrics` as well."""

    recipe: str  # "probe", "finetune" or "scratch"
    strength: float  # of the head's fit, see `pipeline.models.head`
    rejected: float  # share of the labels' pictures that the threshold may reject
    parity: float  # how far torch and ONNX are apart, see `pipeline.models.graph.parity`


class Metrics(Exported):
    """Everything that is measured of one bundle."""

    elsewhere: Elsewhere  # pictures from sources that were left out: the headline
    test: dict[VariantName, Scores]  # the test split; its sources are those of training, so it flatters
    test_baselines: dict[str, Figure]  # served accuracy on the test split of what anyone would try first
    robustness: dict[str, Condition]  # the default variant on the test split under corruptions of a camera
    variants: dict[VariantName, VariantFacts]  # size, time, agreement
    learning_curve: dict[str, Gain]  # of each label
    evidence: Evidence | None
