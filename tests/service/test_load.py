"""Under load the service answers what it can and refuses the rest at once; it stops well, and says why it ends."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.http.middleware import IMPATIENT_S
from tests.load import Load
from tests.service.running import HOLDING, START_S, Running, eventually, held, running
from tests.service.test_serving import assert_problem
from tests.service.test_slow_clients import HEAD, problem, read_all
from tests.tiny_bundle import make_bundle, picture

SLOW = 1_400  # input size of a model that takes some 50 ms an answer
RED = picture("red")


@contextmanager
def slow_service(folder: Path, **settings: object) -> Iterator[Running]:
    make_bundle(folder / "promoted", size=SLOW)
    with running(folder, **({"threads": 1, "address_share": 1} | settings)) as service:
        yield service


def post(service: Running, data: bytes = RED) -> httpx.Response:
    return httpx.post(f"{service.url}/identify", content=data, timeout=30)


def test_beyond_the_queue_the_answer_is_503_at_once(tmp_path: Path) -> None:
    """One picture in work and two in the queue: the next is refused while none of them gets on."""
    make_bundle(tmp_path / "promoted")
    with (
        running(tmp_path, threads=1, queue=2, address_share=1, deadline_s=30, patch=HOLDING) as service,
        ThreadPoolExecutor(3) as clients,
    ):
        with held(tmp_path, "run") as one_in_work:
            taken = [clients.submit(post, service)]
            eventually(one_in_work)
            taken += [clients.submit(post, service) for _ in range(2)]
            eventually(lambda: service.metric("service_queue_depth") == 2)
            answer = post(service)
            assert_problem(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
            assert not any(each.done() for each in taken)
        assert [each.result().status_code for each in taken] == [200] * 3
        # counted once its connection is read again, which is later than its answer
        eventually(lambda: service.metric("service_requests_total", endpoint="/identify", outcome="overloaded") == 1)


def test_a_picture_that_waited_past_its_deadline_is_not_inferred(tmp_path: Path) -> None:
    with slow_service(tmp_path, queue=50, deadline_s=0.05) as service:
        with Load(service.url, 8, RED) as load:
            eventually(lambda: {200, 503} <= set(load.statuses))
        late = service.metric("service_requests_total", endpoint="/identify", outcome="too-late")
        assert late == load.statuses.count(503)
        inferred = service.metric("service_answer_seconds_count", part="inference")
        assert inferred == load.statuses.count(200)


@pytest.mark.parametrize("step", ["decode", "run"])
def test_the_event_loop_is_free_while_pictures_are_decoded_and_inferred(step: str, tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, patch=HOLDING) as service, ThreadPoolExecutor(1) as client:
        with held(tmp_path, step) as in_work:
            waiting = client.submit(post, service)
            eventually(in_work)
            assert httpx.get(f"{service.url}/healthz").status_code == 200
            assert not waiting.done()
        assert waiting.result().status_code == 200


def test_who_asks_again_at_once_is_slowed_down_and_the_others_keep_their_answers(tmp_path: Path) -> None:
    """A connection that was refused for load is not read for a moment; Retry-After says a second."""
    with (
        slow_service(tmp_path, queue=1) as service,
        Load(service.url, 3, RED),
        httpx.Client(base_url=service.url) as client,
    ):
        begun, refused = time.monotonic(), 0
        while refused < 6:
            refused += client.post("/identify", content=RED).status_code == 503
        assert time.monotonic() - begun > 5 * IMPATIENT_S


def test_clients_that_never_pause_are_not_refused_more_often_than_the_pace_allows(tmp_path: Path) -> None:
    """28 of 32 are too many; what their refusals cost the others is their number times the pace, at most."""
    with slow_service(tmp_path, queue=4, threads=2) as service:
        begun = time.monotonic()
        with Load(service.url, 32, RED) as load:
            eventually(lambda: load.answered > 40)
        paces = (time.monotonic() - begun) / IMPATIENT_S
        assert set(load.statuses) == {200, 503}
        assert load.statuses.count(503) <= 32 * (paces + 1)


def test_one_address_can_not_take_the_whole_queue(tmp_path: Path) -> None:
    """Clients are told apart behind a trusted proxy, and nobody believes others that say who they are."""
    with slow_service(tmp_path, queue=6, address_share=0.5, trusted_proxies="127.0.0.1") as service:
        others = {"x-forwarded-for": "192.0.2.7"}
        with Load(service.url, 8, RED):
            eventually(lambda: service.metric("service_refused_total", limit="queue-address") > 10)
            for _ in range(10):
                assert httpx.post(f"{service.url}/identify", content=RED, headers=others).status_code == 200
        assert service.metric("service_refused_total", limit="queue") == 0


def test_one_address_can_not_take_all_connections(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, connections=8, address_share=0.5, probe_port=0) as service:
        held = [service.socket() for _ in range(4)]
        with service.socket() as fifth:
            fifth.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 503 " in fifth.recv(4_096)
        with socket.create_connection(("127.0.0.1", service.port), source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in other.recv(4_096)
        for connection in held:
            connection.close()
        eventually(lambda: service.metric("service_refused_total", limit="connections-address") == 1)


def test_health_and_metrics_answer_on_their_own_port_while_the_main_one_is_full(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    key = "correct-horse-battery"
    with running(tmp_path, connections=2, address_share=1, probe_port=free_port(), api_key=key) as service:
        probes = f"http://127.0.0.1:{service.settings['probe_port']}"
        with service.socket(), service.socket():
            with service.socket() as third:
                third.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b" 503 " in third.recv(4_096)
            assert httpx.get(f"{probes}/healthz").json() == {"alive": True}
            assert httpx.get(f"{probes}/readyz").json()["model"] == "tiny-00000000"
            assert 'service_refused_total{limit="connections"} 1.0' in httpx.get(f"{probes}/metrics").text
            assert httpx.post(f"{probes}/identify", content=RED).status_code == 404


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_process_that_was_stopped_for_a_while_goes_on_where_it_was(tmp_path: Path) -> None:
    """As `docker pause` does."""
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as service:
        assert httpx.post(f"{service.url}/identify", content=RED).status_code == 200
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        service.process.send_signal(signal.SIGCONT)
        for _ in range(3):
            assert httpx.post(f"{service.url}/identify", content=RED).status_code == 200


def test_stop_lets_requests_in_flight_finish_and_readiness_goes_first(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, drain_s=2.5, grace_s=2, timeout_s=30) as service:
        with service.socket() as uploading, httpx.Client(base_url=service.url) as watching:
            uploading.sendall(HEAD + f"Content-Length: {len(RED)}\r\n\r\n".encode() + RED[:10])
            assert watching.get("/readyz").status_code == 200
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: watching.get("/readyz").status_code == 503)
            assert_problem(watching.get("/readyz"), 503, "not-ready")
            assert post(service).status_code == 200  # still answered
            eventually(lambda: not listens(service))
            uploading.sendall(RED[10:])
            answer = read_all(uploading)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b'"label":"art"' in answer
            assert b"connection: close" in answer.lower()
        assert service.process.wait(START_S) == 0


def listens(service: Running) -> bool:
    try:
        service.socket().close()
    except ConnectionRefusedError:
        return False
    return True


def test_stop_does_not_wait_for_whoever_holds_on(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, grace_s=1, timeout_s=60) as service, service.socket() as never_ends:
        never_ends.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        eventually(lambda: service.metric("service_connections") == 2)  # and the one that asks
        begun = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - begun < 30  # GRACE_S, and not TIMEOUT_S
        assert problem(read_all(never_ends)) == (503, "not-ready")


def test_ctrl_c_stops_it_as_well_and_twice_at_once(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as service:
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(START_S) == 0
    with running(tmp_path, drain_s=3.5, grace_s=1) as service:
        service.process.send_signal(signal.SIGINT)
        eventually(lambda: any(line["event"] == "stopping" for line in service.lines))
        begun = time.monotonic()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(START_S) == 0
        assert time.monotonic() - begun < 3  # DRAIN_S is not waited for


def test_one_service_a_port(service: Running, tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    other = Running(tmp_path, port=service.port)
    assert other.process.wait(START_S) == 1
    said = other.log.read_text()
    assert said.startswith(f"error: 127.0.0.1 port {service.port} can't be listened on (Address already in use)")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda bundle: (bundle / "manifest.json").unlink(), "holds no manifest.json; `make run`"),
        (lambda bundle: (bundle / "model.onnx").write_bytes(b"x"), "has 1 bytes where manifest.json says"),
    ],
    ids=["incomplete", "damaged"],
)
def test_it_does_not_start_with_a_model_that_is_none(tmp_path: Path, spoil: Callable[[Path], object], why: str) -> None:
    make_bundle(tmp_path / "promoted")
    spoil(tmp_path / "promoted")
    service = Running(tmp_path)
    assert service.process.wait(START_S) == 1
    assert why in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def test_many_connections_that_come_and_go_leave_no_descriptors(service: Running) -> None:
    process = psutil.Process(service.process.pid)
    for _ in range(20):
        httpx.get(f"{service.url}/healthz")
    eventually(lambda: service.metric("service_connections") == 1)  # the one that asks
    before = process.num_fds()
    for number in range(300):
        connection = service.socket()
        if number % 3:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        if number % 2:
            connection.recv(100) if number % 3 else None
        connection.close()
    eventually(lambda: process.num_fds() <= before)
