"""The Open Inference Protocol, tried with the client that Triton's makers publish."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from bundle import decode
from tests.service.running import Running
from tests.service.test_serving import assert_problem
from tests.tiny_bundle import COLOURS, picture

NAME = "promoted"  # the folder's


@pytest.fixture
def client(service: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as one:
        yield one


def frames() -> np.ndarray:
    return np.stack([decode.decode(picture(colour), 32) for colour in COLOURS])


def test_a_v2_client_finds_the_server_and_the_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    told = client.get_model_metadata(NAME)
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}]
    assert {output["name"] for output in told["outputs"]} == {"probabilities", "id_score", "evidence"}
    assert told["versions"] == ["tiny-00000000"]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_a_v2_client_gets_the_numbers_of_a_batch(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    batch = frames()
    asked = triton.InferInput("image", list(batch.shape), "UINT8")
    asked.set_data_from_numpy(batch, binary_data=binary_in)
    names = ["probabilities", "id_score", "evidence"]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    got = client.infer(NAME, [asked], outputs=outputs, request_id="mine")
    probabilities = got.as_numpy("probabilities")
    assert probabilities.argmax(1)[:3].tolist() == [0, 1, 2]
    assert got.as_numpy("id_score")[3] == pytest.approx(0, abs=1e-6)
    assert got.as_numpy("evidence").shape == (4, 3, 32, 32)
    assert got.get_response()["id"] == "mine"
    assert got.get_response()["model_version"] == "tiny-00000000"


def test_outputs_that_are_not_named_come_but_for_the_evidence(client: triton.InferenceServerClient) -> None:
    asked = triton.InferInput("image", [1, 32, 32, 3], "UINT8")
    asked.set_data_from_numpy(frames()[:1])
    got = client.infer(NAME, [asked])
    assert [output["name"] for output in got.get_response()["outputs"]] == ["probabilities", "id_score"]
    assert got.as_numpy("probabilities").argmax() == 0


@pytest.mark.parametrize("size", [31, 64])
def test_frames_of_another_size_are_explained(client: triton.InferenceServerClient, size: int) -> None:
    asked = triton.InferInput("image", [1, size, size, 3], "UINT8")
    asked.set_data_from_numpy(np.zeros((1, size, size, 3), np.uint8))
    with pytest.raises(InferenceServerException):
        client.infer(NAME, [asked])


BAD = {
    "no JSON": b"hello",
    "no inputs": b'{"inputs": []}',
    "other name": b'{"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1, 32, 32, 3], "data": []}]}',
    "too few": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 32, 32, 3], "data": [1]}]}',
    "no data": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 32, 32, 3]}]}',
    "vast": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 99999999, 99999999, 3]}]}',
    "negative": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [-1, 0, 0]}]}',
    "text": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": ["a", 0, 0]}]}',
    "huge": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1,1,1,3], "data": [1e99, 0, 0]}]}',
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_v2_request_is_a_problem(service: Running, name: str) -> None:
    answer = httpx.post(f"{service.url}/v2/models/{NAME}/infer", content=BAD[name])
    assert_problem(answer, 400, "bad-request")
