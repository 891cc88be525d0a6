"""What the page stays within: the memory that there is, its own origin, and one connection."""

from playwright.sync_api import Route, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import (
    HIDE,
    PATIENCE_MS,
    at,
    freeze_and_hide,
    lit,
    open_card,
    open_drawer,
    problem,
    state,
    use_device,
)
from tests.e2e.test_problems import KEEP_TRACKS, LIVE_TRACKS, load_device
from tests.service.running import Running, eventually

NO_ROOM_FOR_A_FRAME = """
const Whole = VideoFrame;
window.VideoFrame = class extends Whole {
    constructor(...given) {
        if (window.full) throw new DOMException("no memory", "OperationError");
        super(...given);
    }
};
"""


def test_without_memory_for_a_frame_the_page_says_so_and_goes_on_when_asked(open_page: Open) -> None:
    page = open_page(script=NO_ROOM_FOR_A_FRAME)
    lit(page, "plant")
    page.evaluate("() => { window.full = true; }")
    problem(page, "low-memory")
    page.evaluate("() => { window.full = false; }")
    at(page, "problem-action").click()
    state(page, "live")
    problem(page, "")
    lit(page, "plant")


def test_a_tab_that_is_hidden_while_memory_is_short_lets_the_camera_go_and_begins_anew(
    open_page: Open,
) -> None:
    page = open_page(script=KEEP_TRACKS + NO_ROOM_FOR_A_FRAME)
    lit(page, "plant")
    page.evaluate("() => { window.full = true; }")
    problem(page, "low-memory")
    page.evaluate(HIDE, True)
    page.wait_for_function(f"() => {LIVE_TRACKS} === 0", timeout=PATIENCE_MS)
    page.evaluate("() => { window.full = false; }")
    page.evaluate(HIDE, False)
    state(page, "live")
    problem(page, "")


# The words of the engine where it has no room; nothing short of filling the machine makes it say them by itself.
NO_ROOM_FOR_A_MODEL = (
    b"WebAssembly.instantiate = WebAssembly.instantiateStreaming = async () => { throw new RangeError("
    b"'WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'); };\n"
)


def test_a_model_that_does_not_fit_is_loaded_again_when_asked(open_page: Open) -> None:
    page = open_page(watched=False)

    def fill(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=NO_ROOM_FOR_A_MODEL + answer.body())

    page.route("**/inference.worker*.js", fill)
    load_device(page)
    problem(page, "low-memory")
    lit(page, "plant")  # by the server
    page.unroute("**/inference.worker*.js")
    at(page, "problem-action").click()
    problem(page, "")
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.", timeout=PATIENCE_MS)
    lit(page, "plant")


def test_nothing_is_fetched_from_anywhere_else(open_page: Open, service: Running) -> None:
    page = open_page(url="about:blank")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:", 1)))
    page.goto(service.url)
    use_device(page, "both")
    lit(page, "plant")
    open_card(page)
    assert any(url.endswith("/stream") for url in asked)
    assert [url for url in asked if not url.startswith((f"{service.url}/", "blob:", "data:"))] == []


def test_nothing_in_a_model_card_runs(open_page: Open) -> None:
    """The pipeline lets no markup of a user into it; the page's policy holds where a bundle came another way."""
    page = open_page(watched=False)  # its console tells of what the policy forbids
    lit(page, "plant")
    hostile = "<script>window.ran = 1</script><img src='nowhere' onerror='window.ran = 1'><p>What the card says.</p>"
    open_card(page, hostile)
    expect(at(page, "card")).to_contain_text("What the card says.")
    page.wait_for_function("() => document.querySelector('[data-testid=card] img').complete", timeout=PATIENCE_MS)
    assert page.evaluate("window.ran") is None


def test_the_service_sees_one_connection_and_none_once_the_device_answers(open_page: Open, service: Running) -> None:
    eventually(lambda: service.metric("service_streams") == 0)  # those of pages before
    page = open_page(script=KEEP_TRACKS)
    for _ in range(3):
        lit(page, "plant")
        freeze_and_hide(page)
        lit(page, "plant")
    assert service.metric("service_streams") == 1
    open_drawer(page)
    use_device(page)
    eventually(lambda: service.metric("service_streams") == 0)
    page.locator("label", has=at(page, "mode-server")).click()
    lit(page, "plant")
    eventually(lambda: service.metric("service_streams") == 1)
    page.close()
    eventually(lambda: service.metric("service_streams") == 0)
