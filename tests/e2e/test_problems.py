"""Whatever goes wrong, the page says it in a sentence, offers a way out, and goes on when it is over."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import onnx
import psutil
import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect

import bundle
from scripts.dev.browser import find_chromium, launch
from tests.e2e.conftest import Open
from tests.e2e.pages import (
    HIDE,
    PATIENCE_MS,
    PROMOTED,
    WEB,
    answers_come,
    at,
    device_workers,
    lit,
    open_drawer,
    problem,
    state,
    until,
    use_device,
)
from tests.service.running import Running, eventually, running
from tests.tiny_bundle import picture

KEEP_TRACKS = """
window.tracks = [];
const open = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (open) navigator.mediaDevices.getUserMedia = async (wish) => {
    if (window.refused) throw new DOMException("in use", window.refused);
    const stream = await open(wish);
    window.tracks.push(...stream.getTracks());
    return stream;
};
"""
SLEEP_S = 8.0  # longer than a busy machine would keep the page waiting
BUSY = KEEP_TRACKS + "window.refused = 'NotReadableError';"
LIVE_TRACKS = "window.tracks.filter((track) => track.readyState === 'live').length"


def test_without_a_camera_a_picture_can_be_chosen(blind: Browser, open_page: Open) -> None:
    page = open_page(by=blind)
    problem(page, "camera-missing")
    with page.expect_file_chooser() as waiting:
        at(page, "problem-action").click()
    waiting.value.set_files({"name": "red.jpg", "mimeType": "image/jpeg", "buffer": picture("red")})
    state(page, "still")
    problem(page, "")


def test_a_camera_that_was_denied_is_asked_for_again(
    playwright: Playwright, film_of: Callable[[str], Path], open_page: Open
) -> None:
    """A camera, and a browser that answers no question of its own accord."""
    film = film_of("plant")
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    denying = launch(playwright, camera=None, extra=flags)
    page = open_page(by=denying)
    problem(page, "camera-denied")
    expect(at(page, "problem-action")).to_have_text("Try again")
    page.context.grant_permissions(["camera"])  # the page hears of it, and need not be told
    state(page, "live")
    lit(page, "plant")
    denying.close()


def test_a_right_that_is_withdrawn_is_noticed(open_page: Open) -> None:
    page = open_page(script=KEEP_TRACKS)
    state(page, "live")
    # Chromium ends the track and says "denied" when its user withdraws the right; no protocol can do the first.
    page.evaluate(
        """() => {
            navigator.permissions.query = async () => ({state: "denied", addEventListener() {}});
            for (const track of window.tracks) { track.stop(); track.dispatchEvent(new Event("ended")); }
        }"""
    )
    problem(page, "camera-withdrawn")
    at(page, "problem-action").click()
    state(page, "live")


def test_a_camera_that_is_unplugged_gives_way_to_the_next(open_page: Open) -> None:
    page = open_page(script=KEEP_TRACKS)
    state(page, "live")
    page.evaluate(
        "() => { for (const track of window.tracks) { track.stop(); track.dispatchEvent(new Event('ended')); } }"
    )
    page.wait_for_function("() => window.tracks.length === 2", timeout=PATIENCE_MS)  # the next camera takes over
    state(page, "live")
    problem(page, "")


def test_a_camera_in_other_hands_is_waited_for(open_page: Open) -> None:
    """No second program can hold the browser's fake camera, so the refusal is made up; all else is real."""
    page = open_page(script=BUSY)
    problem(page, "camera-busy")
    page.evaluate("() => { window.refused = ''; }")
    state(page, "live")
    problem(page, "")


def test_a_page_that_is_not_secure_says_so(tmp_path: Path, blind: Browser, open_page: Open) -> None:
    """Through another name: only localhost may do without https."""
    browser = blind.browser_type.launch(
        executable_path=find_chromium(),
        args=["--no-sandbox", "--host-resolver-rules=MAP shop.example 127.0.0.1"],
    )
    with running(tmp_path, model=PROMOTED, page=WEB / "dist", threads=1, allowed_hosts="shop.example") as service:
        page = open_page(by=browser, url=f"http://shop.example:{service.port}/", watched=False)
        problem(page, "insecure-origin")
        expect(at(page, "problem-action")).to_have_text("Choose a picture")
        page.close()  # before its service
    browser.close()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Services of a test's own, on the port of the first."""
    started: list[Running] = []

    def start(**settings: object) -> Running:
        port = started[0].port if started else 0
        folder = tmp_path / str(len(started))
        folder.mkdir()
        one = Running(folder, model=PROMOTED, page=WEB / "dist", threads=1, port=port, **settings)
        started.append(one)
        one.await_address()
        return one

    yield start
    for one in started:
        one.stop()


def test_a_service_that_is_gone_is_waited_for_and_the_picture_goes_on(
    mortal: Callable[..., Running], open_page: Open
) -> None:
    service = mortal(grace_s=1)
    page = open_page(url=service.url, watched=False)
    lit(page, "plant")
    service.stop()
    problem(page, "service-down")
    state(page, "live")
    mortal()
    problem(page, "")
    lit(page, "plant")


def test_a_socket_that_is_lost_is_replaced_by_posts_until_it_is_back(open_page: Open) -> None:
    page = open_page(script=SOCKETS, watched=False)
    lit(page, "plant")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.evaluate("() => { window.broken = true; window.sockets.forEach((socket) => socket.close()); }")
    problem(page, "socket-lost")
    page.wait_for_event("request", lambda request: request.method == "POST", timeout=PATIENCE_MS)
    lit(page, "plant")
    # Asked to connect now, unless the page has connected by itself in between.
    page.evaluate(
        """() => { window.broken = false; document.querySelector("[data-testid=problem-action]")?.click(); }"""
    )
    problem(page, "")
    assert posts


SOCKETS = """
window.sockets = [];
const Socket = WebSocket;
window.WebSocket = class extends Socket {
    constructor(url, ...rest) {
        super(window.broken ? url.replace("/stream", "/nowhere") : url, ...rest);
        window.sockets.push(this);
    }
};
"""


def test_a_service_that_sheds_load_is_asked_less_often(open_page: Open) -> None:
    page = open_page(script=SHEDDING)
    lit(page, "plant")
    page.evaluate("() => { window.shed = true; }")
    problem(page, "overloaded")
    state(page, "live")
    before = page.evaluate("window.sent")
    page.wait_for_timeout(2000)
    assert page.evaluate("window.sent") - before <= 4
    page.evaluate("() => { window.shed = false; }")
    problem(page, "")
    lit(page, "plant")


# The service's own words for it, in the place of its answers: a real overload would take the browser's processor, too.
SHEDDING = """
window.sent = 0;
const Socket = WebSocket;
const words = JSON.stringify({type: "/docs#overloaded", title: "More is asked than can be answered in time",
    status: 503, detail: "too many pictures are waiting", request_id: "x", frame: 0, dropped: 0, retry_after_s: 1});
window.WebSocket = class extends Socket {
    send(data) { window.sent += 1; super.send(data); }
    set onmessage(hear) {
        super.onmessage = hear && ((event) => hear(window.shed ? new MessageEvent("message", {data: words}) : event));
    }
};
"""


def test_answers_that_take_long_are_said_to(open_page: Open) -> None:
    page = open_page(script=SLOW)
    problem(page, "service-slow")
    expect(at(page, "problem-action")).to_have_text("Use this device")
    page.evaluate("() => { window.delay = 0; }")
    problem(page, "")


SLOW = """
window.delay = 2000;
const Socket = WebSocket;
window.WebSocket = class extends Socket {
    send(data) { setTimeout(() => super.send(data), window.delay); }
};
"""


def test_a_hidden_tab_lets_the_camera_go_and_sends_nothing(open_page: Open) -> None:
    page = open_page(script=KEEP_TRACKS + COUNT_SENT)
    lit(page, "plant")
    assert page.evaluate(LIVE_TRACKS) == 1
    page.evaluate(HIDE, True)
    page.wait_for_function(f"() => {LIVE_TRACKS} === 0", timeout=PATIENCE_MS)
    page.wait_for_timeout(300)  # for the frame that was under way
    sent = page.evaluate("window.sent")
    page.wait_for_timeout(500)
    assert page.evaluate("window.sent") == sent
    assert page.evaluate(LIVE_TRACKS) == 0
    page.evaluate(HIDE, False)
    state(page, "live")
    assert page.evaluate(LIVE_TRACKS) == 1
    lit(page, "plant")


COUNT_SENT = """
window.sent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { window.sent += 1; return send.call(this, data); };
"""


def test_a_frozen_picture_lets_the_camera_go(open_page: Open) -> None:
    page = open_page(script=KEEP_TRACKS + COUNT_SENT)
    lit(page, "plant")
    at(page, "freeze").click()
    state(page, "frozen")
    assert page.evaluate(LIVE_TRACKS) == 0
    page.wait_for_timeout(300)  # for the frame that was under way
    sent = page.evaluate("window.sent")
    page.wait_for_timeout(500)
    assert page.evaluate("window.sent") == sent
    lit(page, "plant")
    at(page, "freeze").click()
    state(page, "live")


def test_a_device_that_slept_wakes_up(open_page: Open) -> None:
    """Stopped with all that runs in it, and continued: a browser sees no more of a sleep."""
    page = open_page(script=KEEP_TRACKS)
    lit(page, "plant")
    browser = [each for each in psutil.Process().children(recursive=True) if "chrom" in each.name()]
    assert browser
    for process in browser:
        process.suspend()
    time.sleep(SLEEP_S)
    for process in reversed(browser):
        process.resume()
    expect(at(page, "notice")).to_have_text("Awake again.", timeout=PATIENCE_MS)
    state(page, "live")
    lit(page, "plant")
    assert page.evaluate(LIVE_TRACKS) == 1
    assert page.evaluate("window.tracks.length") == 2


def test_a_model_that_does_not_arrive_is_loaded_again(open_page: Open) -> None:
    page = open_page(watched=False)
    page.route("**/model/model.onnx*", lambda route: route.abort())
    load_device(page)
    problem(page, "device-download")
    page.unroute("**/model/model.onnx*")
    at(page, "problem-action").click()
    problem(page, "")
    lit(page, "plant")


def test_a_model_that_was_damaged_on_the_way_answers_nothing(open_page: Open) -> None:
    page = open_page(watched=False)

    def damage(route: Route) -> None:
        body = bytearray((PROMOTED / "model.onnx").read_bytes())
        body[len(body) // 2] ^= 1
        route.fulfill(body=bytes(body), content_type="application/octet-stream")

    page.route("**/model/model.onnx*", damage)
    load_device(page)
    problem(page, "device-download")


def test_a_device_that_gets_other_numbers_does_not_answer(open_page: Open) -> None:
    page = open_page(watched=False, script="")
    manifest = json.loads((PROMOTED / "manifest.json").read_text(encoding="utf-8"))
    manifest["version"] += "-other"
    for golden in manifest["golden"]:
        golden["probabilities"]["fp32"] = golden["probabilities"]["fp32"][::-1]
        golden["id_score"]["fp32"] = 1 - golden["id_score"]["fp32"]
    page.route("**/model", lambda route: route.fulfill(json=manifest))
    page.reload()
    load_device(page)
    problem(page, "device-golden")
    at(page, "problem-action").click()
    problem(page, "")
    lit(page, "plant")


def test_a_runtime_that_does_not_arrive_is_said_too(open_page: Open) -> None:
    page = open_page(watched=False)
    page.route("**/*.wasm", lambda route: route.abort())
    load_device(page)
    expect(at(page, "stage")).to_have_attribute("data-problem", "device-download", timeout=PATIENCE_MS)


def test_workers_that_run_out_of_memory_give_way_to_the_server_and_can_be_loaded_again(
    open_page: Open,
) -> None:
    page = open_page(watched=False)
    lit(page, "plant")
    use_device(page)
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.")
    first, second = device_workers(page)
    die = "setTimeout(() => { throw new RangeError('Out of memory'); })"
    first.evaluate(die)
    answers_come(page)  # one of two is enough
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.")
    second.evaluate(die)
    problem(page, "low-memory")
    expect(at(page, "privacy")).to_contain_text("Until then they go to")
    answers_come(page)  # the server's, meanwhile
    at(page, "problem-action").click()
    problem(page, "")
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.", timeout=PATIENCE_MS)
    lit(page, "plant")


def test_a_script_that_is_gone_since_a_redeploy_is_said_and_can_be_asked_for_again(open_page: Open) -> None:
    page = open_page(watched=False)
    page.route("**/local-inference*.js", lambda route: route.abort())
    load_device(page)
    problem(page, "page-outdated")
    expect(at(page, "problem-action")).to_have_text("Load it again")
    expect(at(page, "device-load")).to_be_enabled()
    lit(page, "plant")


def test_a_browser_whose_worker_can_not_crop_gets_answers_all_the_same(open_page: Open, service: Running) -> None:
    page = open_page(url="about:blank", watched=False)
    page.route("**/crop.worker*.js", lambda route: route.fulfill(status=404))
    page.goto(service.url)
    lit(page, "plant")


def load_device(page: Page) -> None:
    """Ask for the model on the device, without waiting for it."""
    lit(page, "plant")
    open_drawer(page)
    page.locator("label", has=at(page, "mode-device")).click()
    at(page, "device-load").click()


def test_what_is_no_picture_is_refused_with_a_sentence(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    at(page, "file").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    problem(page, "not-a-picture")
    with page.expect_file_chooser() as waiting:
        at(page, "problem-action").click()
    waiting.value.set_files({"name": "red.jpg", "mimeType": "image/jpeg", "buffer": picture("red")})
    state(page, "still")


def test_a_service_with_a_key_asks_for_it(tmp_path: Path, open_page: Open) -> None:
    with running(tmp_path, model=PROMOTED, page=WEB / "dist", threads=1, api_key="sesame.open.sesame") as service:
        page = open_page(url=service.url, watched=False)
        problem(page, "key-needed")
        at(page, "problem-action").click()
        at(page, "key").fill("sesame.open.sesame")
        at(page, "key").press("Enter")
        lit(page, "plant")


def test_a_model_that_is_swapped_is_named_and_the_answers_go_on(tmp_path: Path, open_page: Open) -> None:
    served = tmp_path / "served"
    shutil.copytree(PROMOTED, served)
    with running(tmp_path, model=served, page=WEB / "dist", threads=1) as service:
        page = open_page(url=service.url)
        lit(page, "plant")
        other = tmp_path / "other"
        shutil.copytree(PROMOTED, other)
        sealed = bundle.load(other).manifest
        bundle.seal(other, sealed.model_copy(update={"version": "efficientnet_lite0-swapped"}))
        served.rename(tmp_path / "before")
        other.rename(served)
        expect(at(page, "notice")).to_contain_text("efficientnet_lite0-swapped", timeout=PATIENCE_MS)
        expect(at(page, "words")).to_have_attribute("data-model", "efficientnet_lite0-swapped", timeout=PATIENCE_MS)
        lit(page, "plant")
        assert httpx.get(f"{service.url}/readyz").json()["model"] == "efficientnet_lite0-swapped"
        page.close()  # before its service


def test_a_model_that_is_swapped_while_the_device_answers_costs_no_answers(tmp_path: Path, open_page: Open) -> None:
    """The old one answers until the new one has shown that it gets the pipeline's numbers."""
    served = tmp_path / "served"
    shutil.copytree(PROMOTED, served)
    with running(tmp_path, model=served, page=WEB / "dist", workers=1) as service:
        page = open_page(url=service.url)
        lit(page, "plant")
        use_device(page)
        lit(page, "plant")
        held: list[Route] = []
        page.route("**/model/model.onnx*", lambda route: held.append(route))
        other = tmp_path / "other"
        shutil.copytree(PROMOTED, other)
        network = onnx.load(other / "model.onnx")
        network.doc_string = "other bytes"  # else the page has them already
        onnx.save(network, other / "model.onnx")
        sealed = bundle.load_manifest(other)
        bundle.seal(other, sealed.model_copy(update={"version": "efficientnet_lite0-swapped"}))
        served.rename(tmp_path / "before")
        other.rename(served)
        swapped = "efficientnet_lite0-swapped"
        until(page, lambda: bool(held))
        answers_come(page)
        assert at(page, "words").get_attribute("data-model") == sealed.version
        page.route("**/model/model.onnx*", lambda route: route.continue_())  # comes before the other
        for route in held:
            route.continue_()
        expect(at(page, "words")).to_have_attribute("data-model", swapped, timeout=2 * PATIENCE_MS)
        expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.")
        lit(page, "plant")
        page.close()  # before its service


def test_a_tab_that_asks_for_nothing_holds_no_place_in_the_service(tmp_path: Path, open_page: Open) -> None:
    with running(tmp_path, model=PROMOTED, page=WEB / "dist", workers=1, stream_idle_s=1) as service:
        page = open_page(url=service.url)
        lit(page, "plant")
        at(page, "freeze").click()
        state(page, "frozen")
        eventually(lambda: service.metric("service_streams") == 0)
        page.wait_for_timeout(1000)  # it came back after 0.25 to 0.5 s, over and over
        assert service.metric("service_streams") == 0
        at(page, "freeze").click()
        eventually(lambda: service.metric("service_streams") == 1)
        page.evaluate(HIDE, True)
        eventually(lambda: service.metric("service_streams") == 0)
        page.close()
