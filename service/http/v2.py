"""The Open Inference Protocol, version 2, as a thin adapter: frames in, the model's numbers out.

One model under one name. Frames come as JSON or, as clients of Triton send them, as bytes behind the JSON (the binary
data extension); numbers go out as JSON. Decoding pictures is not part of the protocol: `/identify` takes pictures.
"""

from functools import partial
from math import prod
from pathlib import PurePath
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from bundle.engine import EVIDENCE, INPUT, OUTPUTS, Engine
from service.http import body, state
from service.http.auth import need_key
from service.http.state import Service, State
from service.problems import BAD_REQUEST, NOT_FOUND, Problem

MAX_BATCH: Final = 16
JSON_LENGTH: Final = "inference-header-content-length"


class Tensor(BaseModel):
    """A tensor; -1 is any size; without ``data`` its bytes lie behind the JSON."""

    name: str
    datatype: str = ""
    shape: list[int] = Field(default_factory=list)
    data: list[Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class Metadata(BaseModel):
    """The model, as the protocol describes it."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class InferRequest(BaseModel):
    """Frames: ``image``, UINT8 [batch, size, size, 3]; of the outputs only the names count."""

    id: str | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[Tensor] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferResponse(BaseModel):
    """The model's numbers."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


_SCHEMA: Final = InferRequest.model_json_schema(ref_template="#/components/schemas/{model}")
del _SCHEMA["$defs"]  # the answer has a tensor, too, so it is among the components
_BODY: Final = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}

open_router = APIRouter(prefix="/v2")
router = APIRouter(prefix="/v2/models/{name}", dependencies=[Depends(need_key)], route_class=body.LimitedRoute)


@open_router.get("/health/live", summary="Alive? (Open Inference Protocol)")
async def live() -> dict[str, bool]:
    """The server answers."""
    return {"live": True}


@open_router.get("/health/ready", summary="Ready? (Open Inference Protocol)")
async def ready(own: Service) -> dict[str, bool]:
    """A model is ready."""
    return {"ready": own.readiness()["ready"]}


@router.get("", summary="The model's tensors (Open Inference Protocol)", response_model_exclude_defaults=True)
async def metadata(own: Service, name: str) -> Metadata:
    """Name, version, inputs and outputs."""
    engine = _named(own, name)
    size, labels = engine.size, len(engine.labels)
    shapes = {"probabilities": [-1, labels], "id_score": [-1], EVIDENCE: [-1, labels, -1, -1]}
    return Metadata(
        name=name,
        versions=[engine.version],
        platform="onnx",
        inputs=[Tensor(name=INPUT, datatype="UINT8", shape=[-1, size, size, 3])],
        outputs=[Tensor(name=output, datatype="FP32", shape=shape) for output, shape in shapes.items()],
    )


@router.post(
    "/infer",
    summary="The model's numbers for frames (Open Inference Protocol)",
    response_model=InferResponse,
    openapi_extra=_BODY,
)
async def infer(request: Request, own: Service, name: str) -> Response:
    """Probabilities and score of each frame; `evidence` where it is asked for by name."""
    _named(own, name)
    client = state.client_of(request.scope)
    own.queue.check(client)
    data, announced = await request.body(), request.headers.get(JSON_LENGTH, "")
    length = int(announced[:12]) if announced.isdecimal() else len(data)
    answer: InferResponse = await own.queue.run(partial(_infer, data, length, name), client)
    return Response(answer.model_dump_json(exclude_defaults=True), media_type="application/json")


def _named(own: State, name: str) -> Engine:
    expected = own.settings.registered[0] if own.settings.registered else PurePath(own.settings.model).name
    if name != expected:
        raise Problem(NOT_FOUND, f"the only model here is called {expected}")
    return own.queue.served()


def _infer(data: bytes, length: int, name: str, model: Engine, _: float) -> InferResponse:
    """The answer to ``length`` bytes of JSON and what follows; in a thread of the queue, as JSON of frames is slow."""
    try:
        asked = InferRequest.model_validate_json(data[:length])
        frames = _frames(asked.inputs[0], data[length:])
        names = list(OUTPUTS) if asked.outputs is None else [output.name for output in asked.outputs]
        if unknown := set(names) - {*OUTPUTS, EVIDENCE}:
            raise ValueError(f"there is no output {sorted(unknown)[0][:60]!a}")
        output = model.run(frames, explain=EVIDENCE in names)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise Problem(BAD_REQUEST, said) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # also a frame of another size
        raise Problem(BAD_REQUEST, f"the tensor can't be read ({error})") from error
    outputs = []
    for each in names:
        values: NDArray[np.float32] = getattr(output, each)
        outputs.append(Tensor(name=each, datatype="FP32", shape=list(values.shape), data=values.ravel().tolist()))
    return InferResponse(model_name=name, model_version=model.version, id=asked.id, outputs=outputs)


def _frames(tensor: Tensor, tail: bytes) -> NDArray[np.uint8]:
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
