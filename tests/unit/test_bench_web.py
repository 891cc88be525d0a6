"""The benchmark of the page: its figures, its verdicts, and the little server that it brings."""

import urllib.error
import urllib.request
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.core.errors import PipelineError
from scripts.bench.web import page
from scripts.bench.web.figures import Results, Row, percentile, to_csv
from scripts.bench.web.network import macs
from scripts.bench.web.report import expectations, report
from scripts.bench.web.server import folders
from scripts.dev import readme


def _results(*rows: Row) -> Results:
    return Results(rows=list(rows), page_bytes=107_000, runtime_bytes=3_700_000, macs={"ours": 384_000_000})


def _worker(who: str, threads: int, fps: float, turn: int = 0) -> Row:
    return Row("worker", who, threads, turn, fps=fps, p50_ms=1000 / fps)


def _verdicts(results: Results) -> dict[str, str]:
    return {expected: verdict for expected, _, verdict in expectations(results)}


def test_verdict_takes_the_median_of_the_turns() -> None:
    rows = [_worker("ours", 1, fps, turn) for turn, fps in enumerate((31, 33, 5))]
    ahead = _results(*rows, _worker("layers", 1, 20), _worker("fused", 1, 40))
    verdicts = _verdicts(ahead)
    assert verdicts["ahead of TensorFlow.js, layer by layer by 1.5 on one thread"] == "yes"
    assert verdicts["ahead of TensorFlow.js, folded and fused by 1.5 on one thread"] == "**no**"


@pytest.mark.parametrize(("fps", "main", "kept", "free"), [(30.1, 5.9, "yes", "yes"), (28.0, 6.1, "**no**", "**no**")])
def test_page_has_to_keep_up_and_to_leave_its_main_thread_free(fps: float, main: float, kept: str, free: str) -> None:
    verdicts = _verdicts(_results(Row("page", "device", 2, fps=fps, main_ms=main)))
    assert verdicts["30 frames a second on the device"] == kept
    assert verdicts["under 6 ms of the main thread a frame, both charts moving, on the device"] == free


def test_what_was_not_measured_has_no_verdict() -> None:
    assert set(_verdicts(_results()).values()) == {"", "yes"}  # the page's weight needs no run


def test_report_has_a_line_for_every_contender() -> None:
    text = report(
        _results(
            _worker("ours", 1, 30),
            _worker("fused", 1, 40),
            Row("page", "server", fps=30, main_ms=4),
            Row("evidence", "server", fps=29, main_ms=5),
        ),
        "make",
    )
    assert "| ours, onnxruntime-web 1.16 with XNNPACK | 1 | 30.0 | 33.3 | 0.0 | 384.0 |" in text
    assert "| the service | 30.0 |" in text
    assert "| the service, evidence over the picture | 29.0 |" in text


def test_csv_has_a_line_for_every_row() -> None:
    header, line, *rest = to_csv([_worker("ours", 1, 30)]).splitlines()
    assert header.startswith("what,who,threads")
    assert line.startswith("worker,ours,1,0,")
    assert not rest


def test_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7


@pytest.mark.parametrize(
    ("number", "percent", "rank"),
    [(21, 95, 20), (12, 95, 12), (10, 50, 5), (10, 51, 6), (3, 99, 3), (3, 1, 1)],
)
def test_percentile_is_the_smallest_value_that_so_many_do_not_exceed(number: int, percent: float, rank: int) -> None:
    assert percentile([float(value) for value in range(1, number + 1)], percent) == rank


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


def test_server_isolates_and_keeps_to_its_folders(tmp_path: Path) -> None:
    for name in ("page/index.html", "model/m.onnx", "secret"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    with folders({"": tmp_path / "page", "model": tmp_path / "model"}) as address:
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert answer.read() == b"page/index.html"
        with urllib.request.urlopen(f"{address}model/m.onnx?sha256=00") as answer:
            assert answer.read() == b"model/m.onnx"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}model/%2e%2e/secret")


def test_work_of_a_network_is_counted_from_its_shapes(tmp_path: Path) -> None:
    weights = [
        helper.make_tensor("w", TensorProto.FLOAT, [8, 1, 3, 3], [0.0] * 72),  # depthwise
        helper.make_tensor("m", TensorProto.FLOAT, [5, 8], [0.0] * 40),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, 8]),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], group=8, strides=[4, 4], kernel_shape=[3, 3]),
        helper.make_node("Reshape", ["y", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "m"], ["z"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8, 4, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 5])],
        weights,
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert macs(tmp_path / "m.onnx") == 8 * 1 * 1 * 9 + 40


def test_page_has_a_place_for_the_tables() -> None:
    readme.part(Path("docs/bench-web.md").read_text(encoding="utf-8"), "tables")
