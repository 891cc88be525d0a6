"""Under load the service answers what it can and refuses the rest at once; it outlives its workers and stops well."""

import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.load import Load
from tests.service.running import Running, eventually, running
from tests.service.test_serving import assert_problem
from tests.service.test_slow_clients import HEAD, read_all
from tests.tiny_bundle import make_bundle, picture

SLOW = 1_400  # input size of a model that takes some 50 ms an answer
RED = picture("red")


@contextmanager
def slow_service(folder: Path, **settings: object) -> Iterator[Running]:
    make_bundle(folder / "promoted", size=SLOW)
    with running(folder, **({"workers": 1} | settings)) as service:
        yield service


def test_beyond_the_queue_the_answer_is_503_at_once(tmp_path: Path) -> None:
    """Twelve clients at a worker that has one in work and two in the queue."""
    with slow_service(tmp_path, queue=2) as service:
        refused = []
        with Load(service.url, 8, RED, pause_s=0.01) as load, httpx.Client(base_url=service.url) as client:
            for _ in range(60):
                begun = time.monotonic()
                answer = client.post("/identify", content=RED)
                if answer.status_code == 503:
                    refused.append(time.monotonic() - begun)
                    assert_problem(answer, 503, "overloaded")
                    assert answer.headers["retry-after"] == "1"
        assert set(load.statuses) == {200, 503}
        assert load.broken == []
        assert statistics.median(refused) < 0.05
        answered = [s for s, status in zip(load.seconds, load.statuses, strict=True) if status == 200]
        assert max(answered) < 20 * min(answered)  # nobody waits for more than what was before it
        assert service.metric("service_requests_total", endpoint="/identify", outcome="overloaded") > 0


def test_a_picture_that_waited_past_its_deadline_is_not_inferred(tmp_path: Path) -> None:
    with slow_service(tmp_path, queue=50, deadline_s=0.05) as service:
        with Load(service.url, 8, RED) as load:
            time.sleep(1.5)
        assert set(load.statuses) == {200, 503}
        late = service.metric("service_requests_total", endpoint="/identify", outcome="too-late")
        assert late == load.statuses.count(503)
        inferred = service.metric("service_answer_seconds_count", part="inference")
        assert inferred == load.statuses.count(200)


def test_the_event_loop_is_free_while_pictures_are_decoded_and_inferred(tmp_path: Path) -> None:
    with (
        slow_service(tmp_path) as service,
        Load(service.url, 4, RED),
        httpx.Client(base_url=service.url) as client,
    ):
        times = []
        for _ in range(40):
            begun = time.monotonic()
            assert client.get("/healthz").status_code == 200
            times.append(time.monotonic() - begun)
    assert statistics.median(times) < 0.03


def test_connections_are_spread_evenly_over_the_workers(service: Running) -> None:
    """Two clients, two workers: each has its own, every time."""
    for _ in range(5):
        clients = [httpx.Client(base_url=service.url) for _ in range(2)]
        for client in clients:
            client.get("/healthz")
        worker = [
            sum(
                1
                for c in process.net_connections()
                if c.status == "ESTABLISHED" and c.laddr.port == service.port
            )
            for process in service.workers
        ]
        assert worker == [1, 1]
        for client in clients:
            client.close()
        eventually(lambda: all(not established(process, service.port) for process in service.workers))


def established(process: psutil.Process, port: int) -> int:
    return sum(1 for c in process.net_connections() if c.status == "ESTABLISHED" and c.laddr.port == port)


def test_a_worker_that_is_killed_under_load_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as service, Load(service.url, 4, RED, pause_s=0.005) as load:
        eventually(lambda: len(load.statuses) > 50)
        for killed in range(2):
            # Not before the last one's replacement has its model: with nobody that has one, it would be asked too soon.
            eventually(lambda killed=killed: models_taken_over(service) == 2 + killed)  # type: ignore[misc]
            victim = service.workers[0]
            victim.send_signal(signal.SIGKILL)
            eventually(lambda victim=victim: len(service.workers) == 2 and victim not in service.workers)  # type: ignore[misc]
            asked = len(load.statuses)
            eventually(lambda asked=asked: len(load.statuses) > asked + 100)  # type: ignore[misc]
        eventually(lambda: service.metric("service_model_info", version="tiny-00000000", variant="fp32") == 2)
        assert service.metric("service_worker_restarts_total") == 2
    assert set(load.statuses) == {200}
    assert 0 < len(load.broken) <= 12  # the requests that were in its hands, and no others
    assert any("signal 9" in line["event"] for line in service.lines)


def models_taken_over(service: Running) -> int:
    """How many workers have come to serve so far, those that are dead among them."""
    return service.log.read_text().count('"model taken over"')  # the last line may be half there


def test_counts_go_on_where_a_killed_worker_stopped(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, workers=1) as service:
        for _ in range(5):
            httpx.post(f"{service.url}/identify", content=RED)
        (worker,) = service.workers
        worker.kill()
        eventually(lambda: service.workers and worker not in service.workers)
        eventually(lambda: ready(service))
        httpx.post(f"{service.url}/identify", content=RED)
        assert service.metric("service_answers_total", label="art", known="yes") == 6


def ready(service: Running) -> bool:
    try:
        return httpx.get(f"{service.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


IMPATIENT = "from service import admission, decode, supervisor"
IMPATIENT += "; supervisor.SILENT_S = 1.5; admission.STUCK_AFTER_S = 0.5"


def test_a_worker_that_hangs_is_replaced_and_costs_only_its_share_until_then(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, patch=IMPATIENT) as service:
        hung = service.workers[0]
        hung.suspend()
        answered = 0
        for _ in range(6):
            with suppress(httpx.TransportError):
                answered += httpx.get(f"{service.url}/healthz", timeout=0.2).status_code == 200
        assert answered >= 3
        eventually(lambda: not hung.is_running() and len(service.workers) == 2)
        assert any("hangs" in line["event"] for line in service.lines)


def test_a_worker_whose_picture_never_ends_is_replaced(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    endless = f"import time; {IMPATIENT}; real = decode.decode"
    endless += "; decode.decode = lambda data, *a, **k: time.sleep(60) if b'endless' in data else real(data, *a, **k)"
    with running(tmp_path, patch=endless, workers=1) as service:
        (worker,) = service.workers
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{service.url}/identify", content=RED + b"endless", timeout=20)
        eventually(lambda: service.workers and worker not in service.workers)
        eventually(lambda: ready(service))
        assert httpx.post(f"{service.url}/identify", content=RED).json()["label"] == "art"


def test_stop_lets_requests_in_flight_finish_and_readiness_goes_first(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, drain_s=0.6) as service:
        with service.socket() as uploading, httpx.Client(base_url=service.url) as watching:
            uploading.sendall(HEAD + f"Content-Length: {len(RED)}\r\n\r\n".encode() + RED[:10])
            assert watching.get("/readyz").status_code == 200
            begun = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: watching.get("/readyz").status_code == 503, 0.5)
            assert_problem(watching.get("/readyz"), 503, "not-ready")
            assert httpx.post(f"{service.url}/identify", content=RED).status_code == 200  # still answered
            time.sleep(max(0.0, begun + 1.0 - time.monotonic()))
            with pytest.raises(ConnectionRefusedError):
                service.socket()
            uploading.sendall(RED[10:])
            answer = read_all(uploading)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert b'"label":"art"' in answer
            assert b"connection: close" in answer.lower()
        assert service.process.wait(5) == 0
        assert time.monotonic() - begun < 5


def test_stop_ends_within_five_seconds_whoever_holds_on(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, body_timeout_s=60) as service, service.socket() as never_ends:
        never_ends.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        time.sleep(0.2)
        begun = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - begun < 5
        assert read_all(never_ends) == b""


def test_ctrl_c_stops_it_as_well(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as service:
        children = psutil.Process(service.process.pid).children()
        for process in (psutil.Process(service.process.pid), *children):  # the terminal sends it to all
            process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0
        assert not [child for child in children if child.is_running()]


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    service = Running(tmp_path, tmpdir=temporary)
    service.await_address()
    children = psutil.Process(service.process.pid).children()
    service.process.kill()
    service.process.wait(5)
    eventually(lambda: not [child for child in children if child.is_running()])
    assert len(list(temporary.iterdir())) == 1
    with running(tmp_path, tmpdir=temporary):  # the next one tidies up
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []


def test_one_service_a_port(service: Running, tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    other = Running(tmp_path, port=service.port)
    assert other.process.wait(10) == 1
    said = other.log.read_text()
    assert said.startswith(
        f"error: 127.0.0.1 port {service.port} can't be listened on (Address already in use)"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda bundle: (bundle / "manifest.json").unlink(), "holds no manifest.json; `make run`"),
        (lambda bundle: (bundle / "model.onnx").write_bytes(b"x"), "has 1 bytes where manifest.json says"),
    ],
    ids=["incomplete", "damaged"],
)
def test_it_does_not_start_with_a_model_that_is_none(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    make_bundle(tmp_path / "promoted")
    spoil(tmp_path / "promoted")
    service = Running(tmp_path)
    assert service.process.wait(10) == 1
    assert why in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def test_many_connections_that_come_and_go_leave_no_descriptors(service: Running) -> None:
    def descriptors() -> int:
        processes = [psutil.Process(service.process.pid), *service.workers]
        return sum(process.num_fds() for process in processes)

    for _ in range(20):
        httpx.get(f"{service.url}/healthz")
    eventually(lambda: not any(established(worker, service.port) for worker in service.workers))
    before = descriptors()
    for number in range(300):
        connection = service.socket()
        if number % 3:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if number % 2:
            connection.recv(100) if number % 3 else None
        connection.close()
    eventually(lambda: descriptors() <= before)
