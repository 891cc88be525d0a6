"""What the benchmark of the service says follows from what it saw."""

import json
import math
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from pipeline.core.errors import DataError
from scripts.bench.load import Load, load_of, parse
from scripts.bench.pictures import small
from scripts.bench.process import Cores, NotReadyError, free_port, running
from scripts.bench.results import of_csv, percentile, to_csv
from scripts.bench.service import before
from scripts.bench.service.contenders import PEERS, SERVED, Run
from scripts.bench.service.measure import Row
from scripts.bench.service.profiler import by_part
from scripts.bench.service.report import expectations, report
from tests import tiny_bundle

OURS = Row("ours", "fp32", "closed", clients=1, per_second=150, p50_ms=6.0, p99_ms=8.0, worker_mb=150, ready_s=0.9)


def results(**changed: float | str) -> list[Row]:
    """A run in which everything is as expected, but for what is changed of the overload."""
    overload = Row("ours", "fp32", "overload", rate=1200, per_second=300, answers=300, statuses="200:300 503:900")
    return [
        Row("floor", "fp32", "closed", clients=1, p50_ms=5.0, p99_ms=6.0),
        OURS,
        replace(OURS, clients=32, per_second=300, p50_ms=100.0),
        Row("before", "fp32", "closed", clients=1, per_second=100),
        Row("before", "fp32", "closed", clients=32, per_second=150),
        Row("original", "torch fp32", "closed", clients=8, per_second=50),
        Row("litserve", "fp32", "closed", clients=32, per_second=280),
        Row("ours", "fp32", "poisson", rate=210, per_second=210, p50_ms=7.0, p99_ms=27.0),
        replace(overload, **changed),  # type: ignore[arg-type]
    ]


def verdicts(rows: list[Row]) -> dict[str, str]:
    return {target: verdict for target, _, verdict in expectations(rows)}


def test_a_run_as_expected_says_yes_everywhere() -> None:
    assert set(verdicts(results()).values()) == {"yes"}


@pytest.mark.parametrize("changed", [{"statuses": "200:300 500:1"}, {"answers": 0, "statuses": ""}, {"failures": 3}])
def test_what_falls_short_says_no_and_nothing_else_does(changed: dict[str, float | str]) -> None:
    said = verdicts(results(**changed))
    assert [target for target, verdict in said.items() if verdict != "yes"] == [
        "at 4 times saturation only 200 and 503"
    ]


def test_a_peer_that_is_faster_is_named() -> None:
    rows = [*results(), Row("bentoml", "fp32", "closed", clients=32, per_second=301)]
    lines = [(text, verdict) for _, text, verdict in expectations(rows) if "bentoml" in text]
    assert lines == [("the best peers: 301 (bentoml)", "**no**")]


def test_a_server_that_did_not_start_is_in_the_report_with_its_reason() -> None:
    rows = [*results(), Row("bentoml", "fp32", "missing", note="ended with status 3")]
    assert "- bentoml was not measured: ended with status 3" in report(rows)


def test_the_originals_stack_is_labelled_as_what_it_runs() -> None:
    assert {who.name: who.model for who in PEERS}["original"] == "torch fp32"
    assert "| original | torch fp32 |" in report(results())


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([4.0, 3.0, 2.0, 1.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0
    assert math.isnan(percentile([], 50))
    assert load_of(1, {"200": 2}, 0, [0.002, 0.001]).p50_ms == 1.0


@pytest.mark.parametrize(
    ("number", "percent", "rank"),
    [(21, 95, 20), (12, 95, 12), (10, 50, 5), (10, 51, 6), (3, 99, 3), (3, 1, 1), (100, 99, 99)],
)
def test_percentile_is_the_smallest_value_that_so_many_do_not_exceed(number: int, percent: float, rank: int) -> None:
    assert percentile([float(value) for value in range(1, number + 1)], percent) == rank


def test_the_line_of_a_generator_is_read() -> None:
    seen = '"seconds": 1.5, "statuses": {"200": 3, "503": 1}, "failures": 0, "p50_ms": 1, "p95_ms": 2, "p99_ms": 3'
    line = f"RESULT {{{seen}}}"
    assert parse(f"Running\n{line}\n") == Load(1.5, {"200": 3, "503": 1}, 0, 1, 2, 3)
    assert parse(line).answers == 3


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "service.csv"
    path.write_text(to_csv(results()), encoding="utf-8")
    assert "nan" not in path.read_text(encoding="utf-8")
    again = of_csv(path, Row, "make bench")
    assert [(row.server, row.load, row.clients, row.p50_ms) for row in again[:3]] == [
        (row.server, row.load, row.clients, row.p50_ms) for row in results()[:3]
    ]
    assert math.isnan(again[3].p50_ms)
    path.write_text("server,other\nours,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"service\.csv can't be used .*make bench"):
        of_csv(path, Row, "make bench")


def test_a_server_that_does_not_start_says_its_last_words(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no model here; exit 3"]
    with (
        pytest.raises(NotReadyError, match="ended with status 3: no model here"),
        running(
            command, ready="/", port=free_port(), log=tmp_path / "log", environment={}, cores=Cores.choose().server
        ),
    ):
        pass


def test_a_command_gets_the_runs_values_and_a_path_with_a_space_stays_one_word(tmp_path: Path) -> None:
    run = Run(tmp_path / "a bundle", "fp32", tmp_path, (small(),))
    peers = {who.name: who for who in PEERS}
    assert peers["bentoml"].variables(run)["BENCH_BUNDLE"] == str(tmp_path / "a bundle")
    assert str(tmp_path / "a bundle") in SERVED.words(run)


def test_the_bundle_for_the_service_before_has_the_same_weights_in_the_old_schema(tmp_path: Path) -> None:
    manifest = tiny_bundle.make_bundle(tmp_path / "new").manifest
    before.convert(tmp_path / "new", "fp32", tmp_path / "old")
    old = json.loads((tmp_path / "old/manifest.json").read_text(encoding="utf-8"))
    assert (old["schema_version"], old["default_variant"], list(old["variants"])) == (1, "fp32", ["fp32"])
    assert [set(each) for each in old["golden"]] == [{"file", "probabilities", "known"}] * len(manifest.golden)
    name = manifest.variants["fp32"].file
    one, other = onnx.load(tmp_path / "new" / name), onnx.load(tmp_path / "old" / name)
    assert [each.name for each in other.graph.output] == ["probabilities", "known"]
    assert one.graph.initializer == other.graph.initializer


def test_each_sample_of_the_profiler_counts_for_the_innermost_part_that_the_reader_knows() -> None:
    below = "main (service/__main__.py:70);main (service/cli/serve.py:90)"
    raw = "\n".join(
        [
            f"{below};run (bundle/engine.py:124);_infer (bundle/engine.py:180) 7",
            f"{below};_infer (service/admission.py:140);decode (bundle/decode.py:91) 2",
            f"{below};run_asgi (uvicorn/protocols/http/httptools_impl.py:422) 1",
            f"{below};run_asgi (uvicorn/protocols/http/httptools_impl.py:422);event (service/log.py:30) 1",
            "_run_module_as_main (<frozen runpy>:198) 1",
        ]
    )
    found = by_part(raw)
    assert found["inference"] == 7
    assert found["decoding"] == 2
    assert found["metrics and log"] == 1
    assert found["HTTP, event loop, threads"] == 2
    assert sum(found.values()) == 12
