"""What stands in a bundle's manifest.json, as a versioned schema; `bundle.folder` reads and writes it."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

SCHEMA_VERSION: Final = 2


def _safe(name: str) -> str:
    """Let pass only what stays inside a folder, on every system."""
    parts = name.split("/")
    if not name or "\\" in name or ":" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{name!r} is no plain path inside the bundle")
    return name


def _printable(label: str) -> str:
    """Let pass what can be shown on a terminal and a page as it is."""
    if not label.isprintable() or label != label.strip():
        raise ValueError(f"{label!r} has characters that can't be shown")
    return label


VariantName = Literal["fp32", "int8"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, AfterValidator(_safe)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(_Frozen):
    """What frame the model takes; `bundle.decode.to_frame` makes it."""

    size: PositiveInt  # pixels, height and width
    crop: Literal["center-square"] = "center-square"
    resize: Literal["bilinear-antialias"] = "bilinear-antialias"


class Variant(_Frozen):
    """One ONNX file. Temperature and threshold differ by variant: quantising shifts the probabilities."""

    file: FileName
    threshold: Fraction  # none of the labels where `id_score` is below
    temperature: PositiveFloat  # already inside the graph; kept to be read


class Golden(_Frozen):
    """A picture, and what the pipeline got for it, by variant."""

    file: FileName
    probabilities: dict[VariantName, tuple[Fraction, ...]]  # in the order of the labels
    id_score: dict[VariantName, Fraction]


class Lineage(_Frozen):
    """From what a model came."""

    git_commit: str
    git_dirty: bool
    data_hash: str
    config: dict[str, Any]
    config_hash: str
    mlflow_run_id: str
    parent: str | None = None  # version of the champion at the time


class FileEntry(_Frozen):
    """What a file must be."""

    sha256: Sha256
    bytes: NonNegativeInt


class Manifest(_Frozen):
    """What stands in manifest.json."""

    schema_version: Literal[2] = SCHEMA_VERSION
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    created: AwareDatetime
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]
    input: InputSpec
    variants: Annotated[dict[VariantName, Variant], Field(min_length=1)]
    default_variant: VariantName
    golden: tuple[Golden, ...] = ()
    golden_tolerance: PositiveFloat  # largest difference of a probability or of `id_score`
    metrics: dict[str, Any] = Field(default_factory=dict)
    lineage: Lineage
    files: dict[FileName, FileEntry] = Field(default_factory=dict)  # all but manifest.json; `seal` fills it

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label stands twice in labels")
        if self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant} is none of the variants")
        for golden in self.golden:
            if golden.probabilities.keys() != self.variants.keys() or golden.id_score.keys() != self.variants.keys():
                raise ValueError(f"{golden.file} must have an answer of every variant")
            if any(len(numbers) != len(self.labels) for numbers in golden.probabilities.values()):
                raise ValueError(f"{golden.file} must have one probability per label")
        return self

    def named_files(self) -> set[str]:
        """The files that the manifest's other fields speak of."""
        return {v.file for v in self.variants.values()} | {g.file for g in self.golden}
