"""Look through the photos, decide with a key, take it back: nothing is lost on the way."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pipeline.data import manifest
from pipeline.data.adoption import AUTHOR, LICENCE
from tests.e2e.classroom import Classroom, classroom
from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, PROMOTED, WEB, at, lit, state
from tests.e2e.test_look import AXE, SHOTS, SIZES, SMALL, THEMES, WITHIN, violations
from tests.service.running import Running, running

OF_EACH: Final = 45  # photos of a label
WRONG: Final = 3  # texts among the plants
TWICE: Final = 4  # arts that are there a second time, without author and licence


def mess_up(data: Path) -> None:
    """Few photos, of which some are labelled wrongly and some are there twice."""
    rows = manifest.read(data / "manifest.csv")
    labels = ("art", "other", "plant", "text")
    every = {label: [row for row in rows if row.label == label] for label in labels}
    kept = [row for of in every.values() for row in of[:: len(of) // OF_EACH]]
    for number, row in enumerate([row for row in kept if row.label == "text"][:WRONG]):
        moved = replace(row, file=f"plant/wrong-{number}.jpg", label="plant")
        (data / "images" / row.file).replace(data / "images" / moved.file)
        kept[kept.index(row)] = moved
    for number, row in enumerate([row for row in kept if row.label == "art"][:TWICE]):
        twin = replace(row, file=f"art/twin-{number}.jpg", group=f"twin-{number}", author=AUTHOR, licence=LICENCE)
        Image.open(data / "images" / row.file).convert("RGB").save(data / "images" / twin.file, quality=82)
        kept.append(replace(twin, sha256_of_source=""))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=data.parent, check=True)  # to forget
    names = {row.file for row in kept}
    for path in (data / "images").rglob("*.jpg"):
        if path.relative_to(data / "images").as_posix() not in names:
            path.unlink()
    manifest.write(data / "manifest.csv", kept)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A studio for the tests here; each leaves it as it was."""
    with classroom(tmp_path_factory.mktemp("studio"), mess_up) as one:
        token = one.entrance.rpartition("=")[2]
        known = {"Authorization": f"Bearer {token}"}
        httpx.get(f"{one.url}/studio/review", headers=known, timeout=240).raise_for_status()  # it looks at all of them
        yield one


@pytest.fixture
def review(open_page: Open, studio: Classroom) -> Callable[..., Page]:
    """Open the page at the printed address, and the review in it."""

    def open_one(**options: object) -> Page:
        page = open_page(**{"url": studio.entrance, "viewport": {"width": 1280, "height": 800}, **options})
        state(page, "live")
        look(page)
        return page

    return open_one


def look(page: Page) -> None:
    """Open the review, and wait for what is in it."""
    expect(at(page, "review-toggle")).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("r")
    expect(at(page, "total")).to_contain_text("to look at", timeout=PATIENCE_MS)


def item(page: Page, file: str) -> Locator:
    """The item of a photo."""
    return page.locator(f"[data-file='{file}']")


def focus(page: Page, file: str) -> None:
    """Go to a photo with a press, and see it larger."""
    item(page, file).click()
    expect(at(page, "looked")).to_contain_text(file)


def rows(studio: Classroom) -> dict[str, manifest.Row]:
    """The photos that are there now, by file."""
    return {row.file: row for row in manifest.read(studio.folder / "data/manifest.csv")}


def size(path: Path) -> tuple[int, int]:
    """Of a picture, in pixels."""
    with Image.open(path) as image:
        return image.size


def done(page: Page, said: str) -> None:
    """Wait until it is carried out."""
    expect(at(page, "done")).to_contain_text(said, timeout=PATIENCE_MS)


def undone(page: Page, studio: Classroom, before: dict[str, manifest.Row], file: str) -> None:
    """Take the last decision back: the photos are as before, and the photo waits again."""
    page.keyboard.press("z")
    done(page, "Undone")
    expect(item(page, file)).to_be_visible(timeout=PATIENCE_MS)
    assert rows(studio) == before


def test_the_queue_says_what_it_is_and_why_it_is_there_and_where_the_model_looks(review: Callable[..., Page]) -> None:
    page = review()
    focus(page, "plant/wrong-0.jpg")
    expect(at(page, "labelled")).to_have_text("labelled plant")
    expect(at(page, "thinks")).to_contain_text("text")
    expect(at(page, "why")).to_contain_text("by the other photos it is rather text")
    page.keyboard.press("e")
    expect(at(page, "evidence-map")).not_to_have_attribute("data-said", "", timeout=PATIENCE_MS)
    focus(page, "art/twin-0.jpg")
    expect(at(page, "looked").locator("figure")).to_have_count(2)
    expect(at(page, "why")).to_contain_text("no author and no licence is known")
    page.wait_for_function(
        "[...document.querySelectorAll('.review img')].every((image) => image.complete && image.naturalWidth > 0)"
    )


def test_keep_is_remembered_and_undone(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "plant/wrong-1.jpg")
    page.keyboard.press("k")
    done(page, "found right")
    expect(item(page, "plant/wrong-1.jpg")).to_have_count(0)
    page.reload()
    look(page)
    expect(item(page, "plant/wrong-0.jpg")).to_be_visible(timeout=PATIENCE_MS)
    expect(item(page, "plant/wrong-1.jpg")).to_have_count(0)
    undone(page, studio, before, "plant/wrong-1.jpg")


def test_many_are_relabelled_as_one_step_and_measured_and_undone(
    review: Callable[..., Page], studio: Classroom
) -> None:
    page, before = review(), rows(studio)
    focus(page, "plant/wrong-0.jpg")
    page.keyboard.press("Space")
    for number in (1, 2):
        item(page, f"plant/wrong-{number}.jpg").locator(".mark").click()
    expect(at(page, "choose-none")).to_contain_text("3 chosen")
    page.keyboard.press("l")
    expect(at(page, "label-text")).to_be_checked()  # the model thinks so
    page.keyboard.press("Enter")
    done(page, "3 photos relabelled")
    texts = [file for file, row in rows(studio).items() if row.label == "text"]
    assert sum("wrong-" in file for file in texts) == WRONG
    expect(at(page, "compared")).to_contain_text("right", timeout=PATIENCE_MS)
    undone(page, studio, before, "plant/wrong-0.jpg")


def test_a_new_label_can_be_typed(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "plant/wrong-2.jpg")
    page.keyboard.press("l")
    at(page, "new-label").fill("letter")
    page.keyboard.press("Enter")
    done(page, "relabelled")
    assert "letter" in {row.label for row in rows(studio).values()}
    undone(page, studio, before, "plant/wrong-2.jpg")


def test_remove_and_merge_leave_one_of_each_and_are_undone(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "plant/wrong-0.jpg")
    page.keyboard.press("x")
    done(page, "1 photo removed")
    assert rows(studio).keys() == before.keys() - {"plant/wrong-0.jpg"}
    undone(page, studio, before, "plant/wrong-0.jpg")

    at(page, "all-near-duplicate").click()
    expect(at(page, "choose-none")).to_be_visible()
    page.keyboard.press("m")
    done(page, "merged")
    gone = before.keys() - rows(studio).keys()
    assert all(f"art/twin-{number}.jpg" in gone for number in range(TWICE))
    undone(page, studio, before, "art/twin-0.jpg")


def test_same_sitting_and_author_are_filled_in_and_undone(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "art/twin-0.jpg")
    page.keyboard.press("g")  # with the one that it is a duplicate of
    done(page, "one sitting")
    groups = [row.group for file, row in rows(studio).items() if row != before[file] or file == "art/twin-0.jpg"]
    assert len({*groups}) == 1
    undone(page, studio, before, "art/twin-0.jpg")

    at(page, "all-unlicensed").click()
    expect(at(page, "choose-none")).to_contain_text(f"{TWICE} chosen")
    page.keyboard.press("a")
    at(page, "ask-author").fill("Ada")
    at(page, "ask-licence").fill("CC0-1.0")
    page.keyboard.press("Enter")
    done(page, f"Author and licence of {TWICE} photos")
    assert {(row.author, row.licence) for file, row in rows(studio).items() if "twin" in file} == {("Ada", "CC0-1.0")}
    undone(page, studio, before, "art/twin-0.jpg")


def test_a_step_is_undone_from_the_history_after_another_view(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "plant/wrong-1.jpg")
    page.keyboard.press("x")
    done(page, "removed")
    page.keyboard.press("Escape")
    expect(at(page, "review")).to_have_count(0)
    page.keyboard.press("t")
    newest = at(page, "steps").locator("li").first
    expect(newest.locator("span")).to_have_text("removed 1", timeout=PATIENCE_MS)
    newest.locator("button").click()
    expect(newest).to_contain_text("undid", timeout=PATIENCE_MS)
    assert rows(studio) == before
    at(page, "review-toggle").click()  # which closes the teaching
    expect(at(page, "teach")).to_have_count(0)
    expect(item(page, "plant/wrong-1.jpg")).to_be_visible(timeout=PATIENCE_MS)


def test_a_refusal_is_said_and_nothing_changes(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(watched=False), rows(studio)  # a browser calls every refusal an error
    focus(page, "plant/wrong-0.jpg")
    page.keyboard.press("m")
    expect(at(page, "review-refused")).to_contain_text("is no duplicate", timeout=PATIENCE_MS)
    assert rows(studio) == before


def test_what_is_wrong_waits_in_the_queue_first_with_what_was_said(
    review: Callable[..., Page], studio: Classroom
) -> None:
    page = review()
    page.keyboard.press("Escape")
    lit(page, "plant")
    page.keyboard.press("w")
    expect(at(page, "wrong").locator("img")).to_be_visible(timeout=PATIENCE_MS)
    at(page, "right-text").click()
    expect(at(page, "notice")).to_contain_text("Thanks", timeout=PATIENCE_MS)
    look(page)
    first = at(page, "queue").locator("[data-item]").first
    expect(first).to_have_attribute("data-file", "", timeout=PATIENCE_MS)
    expect(at(page, "why")).to_contain_text("sent in: the model said plant")
    before = rows(studio)
    at(page, "do-relabel").click()
    expect(at(page, "label-text")).to_be_checked()
    at(page, "ask-do").click()
    done(page, "relabelled")
    (new,) = rows(studio).keys() - before.keys()
    assert size(studio.folder / "data/images" / new) == (480, 480)  # the camera's own quality
    page.keyboard.press("z")
    done(page, "Undone")
    expect(first).to_have_attribute("data-file", "", timeout=PATIENCE_MS)
    page.keyboard.press("Home")
    page.keyboard.press("x")
    done(page, "removed")
    assert rows(studio) == before


def test_a_service_that_keeps_nothing_has_no_such_button(open_page: Open, service: Running) -> None:
    page = open_page()
    lit(page, "plant")
    for name in ("wrong-toggle", "review-toggle"):
        expect(at(page, name)).to_have_count(0)
    assert "X-Feedback" not in httpx.get(f"{service.url}/model").headers


def test_a_service_that_keeps_them_says_so_first_and_gets_that_one_picture(open_page: Open, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with running(tmp_path, model=PROMOTED, page=WEB / "dist", feedback=kept) as service:
        page = open_page(url=service.url)
        lit(page, "plant")
        at(page, "wrong-toggle").click()
        expect(at(page, "wrong-told")).to_contain_text("which keeps it")
        assert not [*kept.iterdir()]
        at(page, "right-none").click()
        expect(at(page, "notice")).to_contain_text("Thanks", timeout=PATIENCE_MS)
        (said,) = kept.glob("*.json")
        told = json.loads(said.read_text())
        assert (told["label"], told["answer"]) == ("", "plant")
        assert size(said.with_suffix(".jpg")) == (480, 480)
        page.close()


def test_ten_thousand_scroll_with_few_drawn(review: Callable[..., Page]) -> None:
    page = review()
    page.route("**/studio/review?*", lambda route: route.fulfill(json=_many(route.request.url)))
    photo = io.BytesIO()
    Image.new("RGB", (96, 96), "green").save(photo, "JPEG")
    page.route("**/studio/photos/many/**", lambda route: route.fulfill(body=photo.getvalue()))
    page.keyboard.press("Escape")
    look(page)
    expect(at(page, "total")).to_have_text("10000 photos to look at", timeout=PATIENCE_MS)
    frames = page.evaluate(SCROLL)
    assert page.locator("[role=option]").count() < 80
    page.keyboard.press("End")
    expect(at(page, "looked")).to_contain_text("many/9999.jpg", timeout=PATIENCE_MS)
    assert frames > 0


# Scrolls through all of it, a screen a frame; how many frames that took.
SCROLL: Final = """async () => {
    const list = document.querySelector("[data-testid=queue]");
    let frames = 0;
    while (list.scrollTop + list.clientHeight < list.scrollHeight - 1) {
        list.scrollTop += list.clientHeight;
        await new Promise(requestAnimationFrame);
        frames += 1;
    }
    return frames;
}"""


def _many(url: str) -> dict[str, Any]:
    query = httpx.URL(url).params
    start, count, total = int(query.get("after") or 0), int(query["count"]), 10_000
    why = {"kind": "blurred", "said": "the picture is blurred", "other": None}
    items = [
        {"id": f"{number:064x}", "file": f"many/{number}.jpg", "label": "art", "thinks": None, "why": [why]}
        | {"author": "", "licence": "", "group": "", "sent": None}
        for number in range(start, min(start + count, total))
    ]
    return {"total": total, "items": items, "next": str(start + count) if start + count < total else None}


def test_axe_finds_nothing_and_everything_fits_and_is_large_enough_for_a_finger(review: Callable[..., Page]) -> None:
    page = review(reduced_motion="reduce")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    SHOTS.mkdir(parents=True, exist_ok=True)
    for dialog in ("review", "forget"):
        if dialog == "forget":
            at(page, "all-near-duplicate").click()
            page.keyboard.press("f")
        for theme, (width, height) in product(THEMES, (SIZES | {1280: 800, 390: 844}).items()):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(WITHIN, timeout=PATIENCE_MS)
            page.screenshot(path=SHOTS / f"{dialog}-{width}-{theme}.png")
            assert page.evaluate(SMALL) == [], (dialog, width)
            if width in (320, 1440):
                assert violations(page) == [], (dialog, theme)


def test_forgetting_asks_why_and_the_photo_is_gone_for_good(review: Callable[..., Page], studio: Classroom) -> None:
    page, before = review(), rows(studio)
    focus(page, "art/twin-3.jpg")
    page.keyboard.press("f")
    expect(at(page, "ask-do")).to_be_disabled()
    at(page, "ask-why").fill("the painter asked for it")
    page.keyboard.press("Enter")
    done(page, "1 photo forgotten")
    expect(item(page, "art/twin-3.jpg")).to_have_count(0)
    assert rows(studio).keys() == before.keys() - {"art/twin-3.jpg"}
    assert "the painter asked for it" in (studio.folder / "data/forgotten.jsonl").read_text()
    at(page, "review").locator("summary").click()
    newest = at(page, "steps").locator("li").first
    expect(newest).to_contain_text("forgot 1: the painter asked for it")
    expect(newest.locator("button")).to_have_count(0)
