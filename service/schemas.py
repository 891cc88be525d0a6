"""The words of the OpenAPI document: shapes of answers, examples, and which problems an address may tell of."""

import mimetypes
from typing import Any, Final

from bundle.manifest import Manifest
from service import problems
from service.metrics import CONTENT_TYPE
from service.problems import MEDIA_TYPE, Kind

CARD_FILE: Final = "MODEL_CARD.md"
SHA256: Final = "sha256 of the file, from the manifest; then the answer may be cached for ever"

EXAMPLE: Final = {
    "label": "plant",
    "probabilities": {"art": 0.0102, "plant": 0.9815, "text": 0.0083},
    "model": "efficientnet_lite0-1a2b3c4d",
    "timing_ms": {"decode": 1.312, "queue": 0.041, "inference": 4.87},
}
ANSWER: Final = {
    "type": "object",
    "title": "Answer",
    "required": ["label", "probabilities", "model", "timing_ms"],
    "additionalProperties": False,
    "properties": {
        "label": {"type": ["string", "null"], "description": "the label, or null for none of these"},
        "probabilities": {
            "type": "object",
            "description": "of every label, calibrated; they sum to 1",
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "model": {"type": "string", "description": "version of the model"},
        "timing_ms": {
            "type": "object",
            "description": "where the time went, in milliseconds",
            "required": ["decode", "queue", "inference"],
            "additionalProperties": False,
            "properties": {
                name: {"type": "number", "minimum": 0} for name in ("decode", "queue", "inference")
            },
        },
    },
    "example": EXAMPLE,
}
PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "problem details, RFC 9457",
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "description": "kind of problem, an address in /docs"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong and what to do"},
        "request_id": {"type": "string", "description": "also in the header X-Request-ID and in the log"},
    },
}
COMPONENTS: Final = {"Answer": ANSWER, "Problem": PROBLEM}
KEY_SCHEME: Final = {"type": "http", "scheme": "bearer", "description": "the API key, where one is set"}

_PICTURE: Final = {"type": "string", "format": "binary"}


def media_type(name: str) -> str:
    """Of a file of the bundle."""
    if name.endswith(".md"):
        return "text/markdown; charset=utf-8"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to the generated document what all addresses share."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    manifest = Manifest.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= manifest.pop("$defs", {}) | COMPONENTS | {"Manifest": manifest}
    for unused in ("HTTPValidationError", "ValidationError"):  # the framework's, which we never answer
        schemas.pop(unused, None)
    components["securitySchemes"] = {"key": KEY_SCHEME}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [{}, {"key": []}] if path not in OPEN else []
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]  # the framework's own; ours is 400
    return document


def _problem(*kinds: Kind) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": "; or ".join(kind.title for kind in kinds), "content": {MEDIA_TYPE: content}}


def _operation(
    summary: str, ok: dict[str, Any], *kinds: Kind, extra: dict[str, Any] | None = None, cached: bool = False
) -> dict[str, Any]:
    """Arguments of a route's decorator."""
    responses: dict[int | str, Any] = {200: ok}
    if cached:
        responses[304] = {"description": "the client has it already (If-None-Match)"}
    for status in sorted({kind.status for kind in kinds}):
        responses[status] = _problem(*(kind for kind in kinds if kind.status == status))
    return {"summary": summary, "response_model": None, "responses": responses, "openapi_extra": extra or {}}


def _ok(description: str, media: str, schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {media: content}}


OPEN: Final = ("/healthz", "/readyz")  # need no key

IDENTIFY: Final = _operation(
    "What is in this picture?",
    _ok("The answer", "application/json", {"$ref": "#/components/schemas/Answer"}, EXAMPLE),
    problems.BAD_REQUEST,
    problems.UNAUTHORIZED,
    problems.TIMEOUT,
    problems.TOO_LARGE,
    problems.UNSUPPORTED,
    problems.UNUSABLE,
    problems.OVERLOADED,
    problems.TOO_LATE,
    problems.NOT_READY,
    extra={
        "requestBody": {
            "required": True,
            "description": "a picture (JPEG, PNG or WebP, told by its content), as form field `image` or as the body",
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["image"], "properties": {"image": _PICTURE}}
                },
                **{f"image/{name}": {"schema": _PICTURE} for name in ("jpeg", "png", "webp")},
            },
        },
        "x-examples": [
            "curl -F image=@photo.jpg http://127.0.0.1:8000/identify",
            "curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8000/identify",
        ],
    },
)
_OF_THE_MODEL: Final = (problems.UNAUTHORIZED, problems.NOT_READY)
MODEL: Final = _operation(
    "The manifest of the served model",
    _ok("manifest.json", "application/json", {"$ref": "#/components/schemas/Manifest"}),
    *_OF_THE_MODEL,
    cached=True,
)
CARD: Final = _operation(
    "The model card",
    _ok("Markdown", "text/markdown; charset=utf-8", {"type": "string"}),
    problems.NOT_FOUND,
    *_OF_THE_MODEL,
    cached=True,
)
FILE: Final = _operation(
    "A file of the served model",
    {"description": "the file", "content": {"*/*": {"schema": _PICTURE}}},
    problems.BAD_REQUEST,
    problems.NOT_FOUND,
    *_OF_THE_MODEL,
    cached=True,
)
HEALTHZ: Final = _operation(
    "Alive?",
    _ok("It is", "application/json", {"type": "object"}, {"alive": True}),
)
READYZ: Final = _operation(
    "Ready?",
    _ok(
        "It is; `trouble` says why a newer model was not taken over, if so",
        "application/json",
        {"type": "object"},
        {"ready": True, "model": "efficientnet_lite0-1a2b3c4d", "trouble": None},
    ),
    problems.NOT_READY,
)
METRICS: Final = _operation(
    "Metrics for Prometheus",
    _ok("Text format", CONTENT_TYPE, {"type": "string"}),
    problems.UNAUTHORIZED,
)
