"""What the addresses of a running service promise."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import bundle
from service.problems import KINDS, MEDIA_TYPE
from tests.service.running import Running, eventually, running
from tests.tiny_bundle import COLOURS, make_bundle, picture

KEYS = ["label", "probabilities", "score", "threshold", "model", "timing_ms"]
ANSWERS = {"red": "art", "green": "plant", "blue": "text", "grey": None}


@pytest.fixture
def client(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url) as client:
        yield client


def assert_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """An error in the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem: dict[str, Any] = answer.json()
    assert list(problem) == ["type", "title", "status", "detail", "request_id"]
    assert problem["type"] == f"/docs#{kind}"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return problem


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_answered_as_form_field_and_as_body(client: httpx.Client, colour: str, fmt: str) -> None:
    data = picture(colour, fmt=fmt)
    form = client.post("/identify", files={"image": ("photo", data)})
    body = client.post("/identify", content=data, headers={"content-type": f"image/{fmt.lower()}"})
    for answer in (form, body):
        assert answer.status_code == 200, answer.text
        values = answer.json()
        assert list(values) == KEYS
        assert values["label"] == ANSWERS[colour]
        assert list(values["probabilities"]) == ["art", "plant", "text"]
        assert sum(values["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert values["model"] == "tiny-00000000"
        assert list(values["timing_ms"]) == ["decode", "queue", "inference"]
        assert all(value >= 0 for value in values["timing_ms"].values())


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/octet-stream", None])
def test_the_format_is_told_by_the_content_whatever_it_is_called(
    client: httpx.Client, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = client.post("/identify", content=picture("red", fmt="WEBP"), headers=headers)
    assert answer.json()["label"] == "art"


def test_the_manifest_is_the_bundles(client: httpx.Client) -> None:
    answer = client.get("/model")
    assert answer.headers["content-type"] == "application/json"
    assert bundle.Manifest.model_validate(answer.json()).version == "tiny-00000000"
    again = client.get("/model", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_file_of_the_model_is_there_and_is_what_the_manifest_says(client: httpx.Client) -> None:
    import hashlib

    files = client.get("/model").json()["files"]
    assert {"model.onnx", "model.int8.onnx", "golden/red.png", "MODEL_CARD.md"} <= files.keys()
    for name, entry in files.items():
        answer = client.get(f"/model/{name}")
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == entry["sha256"]
        assert answer.headers["etag"] == f'"{entry["sha256"]}"'
        assert answer.headers["cache-control"] == "no-cache"
        unchanged = client.get(f"/model/{name}", headers={"if-none-match": f'W/"x", "{entry["sha256"]}"'})
        assert unchanged.status_code == 304
        by_hash = client.get(f"/model/{name}", params={"sha256": entry["sha256"]})
        assert by_hash.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert_problem(client.get(f"/model/{name}", params={"sha256": "0" * 64}), 404, "not-found")


def test_a_file_that_is_asked_for_in_parts_comes_whole(client: httpx.Client) -> None:
    whole = client.get("/model/model.onnx").content
    for ranges in ("bytes=0-9", "bytes=999999999-", "nonsense"):
        answer = client.get("/model/model.onnx", headers={"range": ranges})
        assert (answer.status_code, answer.content) == (200, whole)


def test_the_card_is_markdown(client: httpx.Client) -> None:
    answer = client.get("/model/card")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# tiny-00000000")


def test_the_card_as_html_can_do_nothing(client: httpx.Client) -> None:
    answer = client.get("/model/card.html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<h1>tiny-00000000</h1>")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


def test_an_older_bundle_has_no_card_in_html(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted", card=False)
    with running(tmp_path) as one:
        assert_problem(httpx.get(f"{one.url}/model/card.html"), 404, "not-found")


@pytest.mark.parametrize(
    "name", ["manifest.json", "nope", "../promoted/model.onnx", "..%2f..%2fetc/passwd", "golden", "a\u0000b"]
)
def test_nothing_but_the_bundles_files_is_given_away(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/model/{name}".replace("\u0000", "%00"))
    assert_problem(answer, 404, "not-found")


def test_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    assert client.get("/readyz").json() == {"ready": True, "model": "tiny-00000000", "trouble": None}


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    for path in ("/openapi.json", "/healthz", "/model", "/model/model.onnx", "/docs"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", ["/", "/docs", "/identify", "/model/model.onnx", "/readyz", "/nowhere", "/metrics"])
def test_every_answer_isolates_the_page_and_has_a_strict_policy(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert "default-src" in headers["content-security-policy"]
    assert "server" not in headers


def test_unknown_addresses_and_methods_are_problems(client: httpx.Client) -> None:
    assert_problem(client.get("/nowhere"), 404, "not-found")
    assert_problem(client.post("/nowhere"), 404, "not-found")
    assert_problem(client.get("/identify/"), 404, "not-found")
    answer = client.get("/identify")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"
    assert_problem(client.post("/"), 405, "method-not-allowed")
    assert_problem(client.delete("/model"), 405, "method-not-allowed")
    assert_problem(client.get("/model/x", params={"sha256": "short"}), 400, "bad-request")


def test_a_request_keeps_the_id_that_its_client_gave(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"x-request-id": "my-id_7.x"}).headers["x-request-id"] == "my-id_7.x"
    for bad in ("", "x" * 65, "a b", 'a"b'):
        assert re.fullmatch(
            "[0-9a-f]{16}", client.get("/healthz", headers={"x-request-id": bad}).headers["x-request-id"]
        )


def test_the_log_has_id_and_model_and_no_picture(client: httpx.Client, service: Running) -> None:
    client.post("/identify", files={"image": picture("red")}, headers={"x-request-id": "look-for-me"})
    eventually(lambda: any(line.get("request_id") == "look-for-me" for line in service.lines))
    line = next(line for line in service.lines if line.get("request_id") == "look-for-me")
    assert {
        "time",
        "level",
        "event",
        "method",
        "path",
        "status",
        "outcome",
        "ms",
        "model",
    } <= line.keys()
    assert (line["path"], line["status"], line["model"]) == ("/identify", 200, "tiny-00000000")
    assert len(json.dumps(line)) < 500


def test_other_origins_are_refused_unless_they_are_configured(client: httpx.Client) -> None:
    data = picture("red")
    friend = client.post("/identify", content=data, headers={"origin": "https://friend.example"})
    assert friend.headers["access-control-allow-origin"] == "https://friend.example"
    stranger = client.post("/identify", content=data, headers={"origin": "https://stranger.example"})
    assert "access-control-allow-origin" not in stranger.headers
    asked = {"origin": "https://friend.example", "access-control-request-method": "POST"}
    assert client.options("/identify", headers=asked).status_code == 200


def test_docs_show_every_address_and_need_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "/stream" in client.get("/openapi.json").json()["info"]["description"]
    assert "curl -F image=@photo.jpg" in client.get("/openapi.json").text
    for kind in KINDS:
        assert f'id="{kind.name}"' in page
    for script in re.findall(r'src="([^"]+)"', page):
        assert client.get(script).headers["content-type"].startswith("text/javascript")
    assert client.get("/docs/swagger-ui.css").headers["content-type"].startswith("text/css")
    assert "<script>" not in page  # the policy allows nothing inline
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_without_a_built_page_the_docs_take_a_picture(client: httpx.Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.fixture(scope="module")
def with_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("with-page")
    make_bundle(folder / "promoted")
    dist = folder / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>built</title>")
    (dist / "assets/app-abc123.js").write_text("1")
    (dist / "assets/app-abc123.js.br").write_text("br")
    (dist / "assets/app-abc123.js.gz").write_text("gz")
    (dist / "assets/ort.wasm").write_bytes(b"\0asm")
    (folder / "secret").write_text("secret")
    (dist / "link").symlink_to(folder / "secret")
    with running(folder, page=dist, threads=1, api_key="correct-horse-battery") as one:
        yield one


def test_the_built_page_is_served_with_types_and_caching(with_page: Running) -> None:
    with httpx.Client(base_url=with_page.url, headers={"accept-encoding": "identity"}) as client:
        index = client.get("/")
        assert "built" in index.text
        assert index.headers["cache-control"] == "no-cache"
        assert "'wasm-unsafe-eval'" in index.headers["content-security-policy"]
        script = client.get("/assets/app-abc123.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.text == "1"
        assert client.get("/assets/ort.wasm").headers["content-type"] == "application/wasm"


def test_compressed_files_of_the_page_are_preferred(with_page: Running) -> None:
    def fetch(accepted: str) -> tuple[str | None, bytes]:
        with httpx.stream("GET", f"{with_page.url}/assets/app-abc123.js", headers={"accept-encoding": accepted}) as got:
            return got.headers.get("content-encoding"), b"".join(got.iter_raw())

    assert fetch("gzip, br") == ("br", b"br")
    assert fetch("gzip") == ("gzip", b"gz")
    assert fetch("br;q=0") == (None, b"1")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/link", "/assets", "/a%00b", "/" + "x" * 5_000])
def test_nothing_outside_of_the_page_is_given_away(with_page: Running, path: str) -> None:
    with with_page.socket() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_with_an_api_key_nothing_of_value_is_given_without_it(with_page: Running) -> None:
    wrong: list[dict[bytes, bytes]] = [
        {},
        {b"x-api-key": b"wrong"},
        {b"x-api-key": b"\xc3\xa9"},
        {b"authorization": b"Bearer wrong"},
        {b"authorization": b"Basic correct-horse-battery"},
    ]
    with httpx.Client(base_url=with_page.url) as client:
        for path in ("/identify", "/model", "/model/model.onnx", "/model/card", "/metrics"):
            method = "POST" if path == "/identify" else "GET"
            for refused in wrong:
                answer = client.request(method, path, headers=refused, content=picture("red"))
                assert_problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"] == "Bearer"
            for headers in (
                {"x-api-key": "correct-horse-battery"},
                {"authorization": "Bearer correct-horse-battery"},
            ):
                assert client.request(method, path, headers=headers, content=picture("red")).status_code == 200
        for path in ("/healthz", "/readyz", "/", "/docs"):
            assert client.get(path).status_code == 200
    assert "correct-horse-battery" not in with_page.log.read_text()


def test_a_start_costs_little_processor_time(tmp_path: Path) -> None:
    """Not by the clock, as others may use the cores: 0.7 s are for the packages, the rest for the engine."""
    make_bundle(tmp_path / "promoted")
    with running(tmp_path) as one:
        used = psutil.Process(one.process.pid).cpu_times()
        assert used.user + used.system < 3
