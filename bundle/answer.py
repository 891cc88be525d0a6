"""What is in one picture: the object that the service answers with and ``identify --json`` prints.

One definition for both, and for the OpenAPI document: a field is described where it is declared.
"""

from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

Share = Annotated[float, Field(ge=0, le=1), PlainSerializer(lambda v: round(v, 6), return_type=float, when_used="json")]
Milliseconds = Annotated[
    float, Field(ge=0), PlainSerializer(lambda v: round(v, 3), return_type=float, when_used="json")
]

EXAMPLE: Final[dict[str, JsonValue]] = {
    "label": "plant",
    "probabilities": {"art": 0.0102, "plant": 0.9815, "text": 0.0083},
    "score": 0.9871,
    "threshold": 0.62,
    "model": "efficientnet_lite0-1a2b3c4d",
    "timing_ms": {"decode": 1.312, "queue": 0.041, "inference": 2.87},
}


class Timing(BaseModel):
    """Where the time of an answer went, in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decode: Milliseconds
    queue: Milliseconds
    inference: Milliseconds

    def __init__(self, decode: float, queue: float, inference: float) -> None:
        super().__init__(decode=decode, queue=queue, inference=inference)


class Evidence(BaseModel):
    """Where in the frame the label shows: its class activation map (Zhou et al. 2016)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    height: int = Field(gt=0, description="rows of the map")
    width: int = Field(gt=0, description="columns of the map")
    values: list[float] = Field(
        description="row by row; their mean is the label's share of the logit, so they may be negative"
    )

    @classmethod
    def of(cls, label: str, maps: NDArray[np.float32]) -> "Evidence":
        """From the label's map, float32 [height, width]."""
        height, width = maps.shape
        values = [round(value, 4) for value in maps.ravel().tolist()]
        return cls(label=label, height=height, width=width, values=values)


class Answer(BaseModel):
    """What is in one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"example": EXAMPLE})

    label: str | None = Field(description="the label, or null for none of these")
    probabilities: dict[str, Share] = Field(description="of every label, calibrated; they sum to 1")
    id_score: Share = Field(
        serialization_alias="score", description="how sure the model is that it is one of the labels at all"
    )
    threshold: Share = Field(description="where `score` is below, the label is null")
    model: str = Field(description="version of the model")
    timing: Timing = Field(serialization_alias="timing_ms", description="where the time went, in milliseconds")
    evidence: Evidence | None = Field(
        default=None,
        description="where in the frame the label shows; only where it is asked for (explain=1), null without a label",
    )

    def to_json(self) -> dict[str, Any]:
        """The object as JSON knows it; ``evidence`` is there only where it was asked for."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
