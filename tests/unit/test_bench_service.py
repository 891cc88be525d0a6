"""What the benchmark of the service says follows from what it saw."""

import math
from dataclasses import replace

import pytest

from scripts.bench.service.figures import Load, Results, Row, load_of, percentile, to_csv
from scripts.bench.service.profiler import by_part
from scripts.bench.service.rate import schedule
from scripts.bench.service.report import expectations, report
from scripts.bench.service.wrk import parse

OURS = Row("ours", "fp32", "closed", clients=1, per_second=150, p50_ms=6.0, p99_ms=8.0, worker_mb=150, ready_s=0.9)


def results(**changed: float | str) -> Results:
    """A run in which everything is as expected, but for what is changed of the overload."""
    overload = Row(
        "ours",
        "fp32",
        "overload",
        rate=1200,
        per_second=300,
        p50_ms=20,
        p99_ms=90,
        statuses="200:300 503:900",
    )
    return Results(
        rows=[
            Row("floor", "fp32", "floor", clients=1, p50_ms=5.0, p99_ms=6.0),
            OURS,
            replace(OURS, clients=32, per_second=300, p50_ms=100.0),
            Row("before", "fp32", "closed", clients=1, per_second=100),
            Row("before", "fp32", "closed", clients=32, per_second=150),
            Row("original", "fp32", "closed", clients=8, per_second=50),
            Row("litserve", "fp32", "closed", clients=8, per_second=280),
            Row("ours", "fp32", "steady", rate=210, per_second=210, p50_ms=7.0, p99_ms=13.0),
            replace(overload, **changed),  # type: ignore[arg-type]
        ]
    )


def verdicts(found: Results) -> dict[str, str]:
    return {expected: verdict for expected, _, verdict in expectations(found, "fp32")}


def test_a_run_as_expected_says_yes_everywhere() -> None:
    assert set(verdicts(results()).values()) == {"yes"}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"statuses": "200:300 500:1"}, "at 4 times saturation no error but 503"),
        ({"statuses": ""}, "at 4 times saturation no error but 503"),
        ({"failures": 3}, "at 4 times saturation no error but 503"),
        ({"p99_ms": 501.0}, "P99 of what is answered then under 5 times P50 at saturation"),
        ({"p99_ms": math.nan}, "P99 of what is answered then under 5 times P50 at saturation"),
    ],
)
def test_what_falls_short_says_no_and_nothing_else_does(changed: dict[str, float | str], line: str) -> None:
    said = verdicts(results(**changed))
    assert [expected for expected, verdict in said.items() if verdict != "yes"] == [line]


def test_a_peer_that_is_faster_is_named() -> None:
    found = results()
    found.rows.append(Row("bentoml", "fp32", "closed", clients=8, per_second=301))
    lines = [(text, verdict) for _, text, verdict in expectations(found, "fp32") if "bentoml" in text]
    assert lines == [("300 a second against 301 (bentoml)", "**no**")]


def test_a_server_that_did_not_start_is_in_the_report_with_its_reason() -> None:
    found = results()
    found.missing["bentoml"] = "ended with status 3"
    assert "- bentoml: ended with status 3" in report(found, "fp32", 10, "wrk 4")


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0
    assert math.isnan(percentile([], 50))
    assert load_of(1, {"200": 2}, 0, [0.002, 0.001]).p50 == 1.0


def test_the_line_of_wrk_is_read() -> None:
    line = 'RESULT {"seconds": 1.5, "statuses": {"200": 3, "503": 1}, "failures": 0, "p50": 1, "p95": 2, "p99": 3}'
    assert parse(f"Running\n{line}\n") == Load(1.5, {"200": 3, "503": 1}, 0, 1, 2, 3)
    assert parse(line).answers == 3


def test_the_csv_has_a_line_for_each_row_and_leaves_out_what_was_not_measured() -> None:
    head, first, *_ = to_csv(results().rows).splitlines()
    assert head.startswith("server,variant,load")
    assert first.startswith("floor,fp32,floor")
    assert "nan" not in to_csv(results().rows)


def test_independent_users_come_at_the_rate_that_was_asked() -> None:
    assert len(list(schedule(100, 5, poisson=False))) == pytest.approx(500, abs=1)
    random = list(schedule(100, 50, poisson=True))
    assert len(random) == pytest.approx(5000, rel=0.05)
    assert random == sorted(random)


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
    assert found["inference (OpenVINO)"] == 7
    assert found["decoding (Pillow)"] == 2
    assert found["log"] == 1
    assert found["HTTP, routing, event loop"] == 2
    assert sum(found.values()) == 12
