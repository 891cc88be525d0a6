"""The benchmark of the page: its figures, its verdicts, and the little server that it brings."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from scripts.bench.results import of_csv
from scripts.bench.web import page
from scripts.bench.web.report import Row, expectations, report
from scripts.bench.web.server import served
from scripts.dev import readme
from tests.small_project import ROOT


def _worker(who: str, threads: int, fps: float, turn: int = 0) -> Row:
    return Row("worker", who, threads, turn, fps=fps, p50_ms=1000 / fps)


def _verdicts(*rows: Row) -> dict[str, str]:
    return {target: verdict for target, _, verdict in expectations(rows, 107_000, 3_700_000)}


def test_verdict_takes_the_median_of_the_turns() -> None:
    rows = [_worker("ours", 1, fps, turn) for turn, fps in enumerate((31, 33, 5))]
    verdicts = _verdicts(*rows, _worker("layers", 1, 20), _worker("fused", 1, 40))
    assert verdicts["1.5 times TensorFlow.js, layer by layer on one thread"] == "yes"
    assert verdicts["1.5 times TensorFlow.js, folded and fused on one thread"] == "**no**"


@pytest.mark.parametrize(("fps", "main", "kept", "free"), [(30.1, 5.9, "yes", "yes"), (28.0, 6.1, "**no**", "**no**")])
@pytest.mark.parametrize(("what", "shown"), [("page", ""), ("evidence", ", evidence shown")])
def test_page_has_to_keep_up_and_to_leave_its_main_thread_free(
    what: str, shown: str, fps: float, main: float, kept: str, free: str
) -> None:
    verdicts = _verdicts(Row(what, "device", 2, fps=fps, main_ms=main))
    assert verdicts[f"30 frames a second, on the device{shown}"] == kept
    assert verdicts[f"under 6 ms of the main thread a frame, on the device{shown}"] == free


def test_what_was_not_measured_has_no_verdict() -> None:
    assert set(_verdicts()) == {"page under 150 KB gzip"}  # the page's weight needs no run


def test_report_has_a_line_for_every_contender_and_mode() -> None:
    rows = [
        _worker("ours", 1, 30),
        _worker("fused", 1, 40),
        Row("page", "server", fps=30, main_ms=4),
        Row("evidence", "server", fps=29, main_ms=5),
        Row("evidence", "device", 2, fps=28, main_ms=5),
    ]
    text = report(rows, 107_000, 3_700_000)
    assert "| ours | 30.0 (33.3 / 0.0) |  |" in text
    assert "| the service | no | 30.0 |" in text
    assert "| the service | yes | 29.0 |" in text
    assert "| this device, 2 threads | yes | 28.0 |" in text


def test_runtime_is_no_part_of_the_pages_weight(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    for name, size in (("index.html", 10), ("assets/index-1.js", 500), ("assets/index-1.js.gz", 100)):
        (tmp_path / name).write_bytes(b"x" * size)
    for name in ("assets/ort-wasm-1.wasm", "assets/inference.worker-1.js"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    assert page.weigh(tmp_path) == (110, 2000)


def test_page_that_is_not_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is not built; run make page"):
        page.weigh(tmp_path)


def test_server_isolates_and_keeps_to_its_folder(tmp_path: Path) -> None:
    for name in ("page/index.html", "page/model/m.onnx", "secret"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    with served(tmp_path / "page") as address:
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.read() == b"page/index.html"
        with urllib.request.urlopen(f"{address}model/m.onnx?sha256=00") as answer:
            assert answer.read() == b"page/model/m.onnx"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}%2e%2e/secret")


def test_the_pages_tables_have_the_lines_of_the_last_run() -> None:
    text = readme.part((ROOT / "docs/bench-web.md").read_text(encoding="utf-8"), "tables")
    rows = of_csv(ROOT / "docs/bench/web.csv", Row, "make bench-web")
    assert text.endswith(report(rows, 0, 0).partition("| frames/s in workers")[2])
