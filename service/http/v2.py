"""The Open Inference Protocol, version 2, as a thin adapter: frames in, the model's numbers out.

One model under one name, tensors as JSON or, as clients of Triton send and ask for it, as bytes behind the JSON (the
binary data extension). Decoding pictures is not part of the protocol: `/identify` takes pictures.
"""

import json
from functools import partial
from math import prod
from pathlib import PurePath
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from bundle.engine import EVIDENCE, INPUT, OUTPUTS
from service.http import body, state
from service.http.auth import NeedsKey
from service.http.problems import (
    BAD_REQUEST,
    NOT_FOUND,
    NOT_READY,
    OVERLOADED,
    TIMEOUT,
    TOO_LARGE,
    UNAUTHORIZED,
    Problem,
    of_not_inferred,
)
from service.http.routes import problems
from service.inference.errors import NotInferred
from service.inference.model import LoadedModel

MAX_BATCH: Final = 16
JSON_LENGTH: Final = "inference-header-content-length"


class Live(BaseModel):
    """The server answers."""

    live: bool = True


class ServerReady(BaseModel):
    """A model is ready."""

    ready: bool = True


class Tensor(BaseModel):
    """A tensor's name and type; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class Metadata(BaseModel):
    """The model, as the protocol describes it."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class RequestTensor(Tensor):
    """A tensor of a request; without ``data`` its bytes lie behind the JSON."""

    data: list[Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class RequestOutput(BaseModel):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(BaseModel):
    """Frames: ``image``, UINT8 [batch, size, size, 3]."""

    id: str | None = None
    inputs: list[RequestTensor] = Field(min_length=1, max_length=1)
    outputs: list[RequestOutput] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class ResponseTensor(Tensor):
    """A tensor of an answer."""

    data: list[float]


class InferResponse(BaseModel):
    """The model's numbers."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseTensor]


router = APIRouter(prefix="/v2")


@router.get("/health/live", summary="Alive? (Open Inference Protocol)")
async def live() -> Live:
    """The server answers."""
    return Live()


@router.get("/health/ready", summary="Ready? (Open Inference Protocol)", responses=problems(NOT_READY))
async def ready(request: Request) -> ServerReady:
    """A model is ready."""
    state.of(request).readiness()
    return ServerReady()


@router.get(
    "/models/{name}",
    summary="The model's tensors (Open Inference Protocol)",
    responses=problems(UNAUTHORIZED, NOT_FOUND, NOT_READY),
)
async def metadata(request: Request, _: NeedsKey, name: str) -> Metadata:
    """Name, version, inputs and outputs."""
    model = _named(request, name)
    size, labels = model.engine.size, len(model.engine.labels)
    shapes = {"probabilities": [-1, labels], "id_score": [-1], EVIDENCE: [-1, labels, -1, -1]}
    return Metadata(
        name=name,
        versions=[model.version],
        platform="onnx",
        inputs=[Tensor(name=INPUT, datatype="UINT8", shape=[-1, size, size, 3])],
        outputs=[Tensor(name=output, datatype="FP32", shape=shape) for output, shape in shapes.items()],
    )


@router.get(
    "/models/{name}/ready",
    summary="Is the model ready? (Open Inference Protocol)",
    responses=problems(UNAUTHORIZED, NOT_FOUND, NOT_READY),
)
async def model_ready(request: Request, _: NeedsKey, name: str) -> ServerReady:
    """It is."""
    _named(request, name)
    return ServerReady()


@router.post(
    "/models/{name}/infer",
    summary="The model's numbers for frames (Open Inference Protocol)",
    response_model=InferResponse,
    responses=problems(BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, TIMEOUT, TOO_LARGE, OVERLOADED, NOT_READY),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}}},
        }
    },
)
async def infer(request: Request, _: NeedsKey, name: str) -> Response:
    """Probabilities and score of each frame; `evidence` where it is asked for by name."""
    own, client = state.of(request), state.client_of(request)
    _named(request, name)
    try:
        own.queue.check(client)
    except NotInferred as error:
        raise of_not_inferred(error) from error
    announced = request.headers.get(JSON_LENGTH, "")
    settings = own.settings
    async with body.read(
        request, limit=settings.body_bytes, timeout_s=settings.body_timeout_s, buffer=own.buffer
    ) as data:
        length = int(announced[:12]) if announced.isdecimal() else len(data)
        answer, length = await own.run(partial(_infer, data, length, name), client)
    headers = {JSON_LENGTH: str(length)} if length < len(answer) else {}
    media = "application/octet-stream" if headers else "application/json"
    return Response(answer, media_type=media, headers=headers)


def _named(request: Request, name: str) -> LoadedModel:
    own = state.of(request)
    expected = own.settings.registered[0] if own.settings.registered else PurePath(own.settings.model).name
    if name != expected:
        raise Problem(NOT_FOUND, f"the only model here is called {expected}")
    return own.model


def _infer(data: bytes, length: int, name: str, model: LoadedModel, _: float) -> tuple[bytes, int]:
    """The answer, and how many bytes of it are JSON; in a thread of the queue, as JSON of frames takes its time."""
    try:
        asked = InferRequest.model_validate_json(data[:length])
        frames = _frames(asked.inputs[0], data[length:])
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise Problem(BAD_REQUEST, said) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Problem(BAD_REQUEST, f"the tensor can't be read ({error})") from error
    names = list(OUTPUTS) if asked.outputs is None else [output.name for output in asked.outputs]
    if unknown := set(names) - {*OUTPUTS, EVIDENCE}:
        raise Problem(BAD_REQUEST, f"there is no output {sorted(unknown)[0][:60]!a}")
    try:
        output = model.engine.run(frames, explain=EVIDENCE in names)
    except ValueError as error:  # a frame of another size
        raise Problem(BAD_REQUEST, str(error)) from error
    binary = _asked_binary(asked)
    told, tail = [], b""
    for each in names:
        values: NDArray[np.float32] = np.ascontiguousarray(getattr(output, each))
        tensor: dict[str, Any] = {"name": each, "datatype": "FP32", "shape": list(values.shape)}
        if each in binary:
            tensor["parameters"] = {"binary_data_size": values.nbytes}
            tail += values.tobytes()
        else:
            tensor["data"] = values.ravel().tolist()
        told.append(tensor)
    answer = {"model_name": name, "model_version": model.version, "id": asked.id, "outputs": told}
    head = json.dumps(answer).encode()
    return head + tail, len(head)


def _frames(tensor: RequestTensor, tail: bytes) -> NDArray[np.uint8]:
    """uint8 [batch, height, width, 3].

    Raises:
        ValueError: it is none.
    """
    if (tensor.name, tensor.datatype) != (INPUT, "UINT8"):
        raise ValueError(f"the input is {INPUT}, UINT8")
    if len(tensor.shape) != 4 or not 1 <= tensor.shape[0] <= MAX_BATCH or min(tensor.shape) < 1:
        raise ValueError(f"the shape is [1 to {MAX_BATCH}, size, size, 3]")
    if tensor.data is None:
        return np.frombuffer(tail, np.uint8, prod(tensor.shape)).reshape(tensor.shape)
    values = np.asarray(tensor.data, np.int64).ravel()
    if values.size and not (values.min() >= 0 and values.max() <= 255):
        raise ValueError("values are 0 to 255")
    return values.astype(np.uint8).reshape(tensor.shape)


def _asked_binary(asked: InferRequest) -> set[str]:
    """Names of the outputs that are wanted as bytes."""
    if asked.outputs is None:
        return set(OUTPUTS) if asked.parameters.get("binary_data_output") else set()
    return {output.name for output in asked.outputs if output.parameters.get("binary_data")}
