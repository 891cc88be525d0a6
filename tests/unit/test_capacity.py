"""The model of a line in front of threads: against theory, and against pictures that are let come at random."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import DataError
from scripts.bench.capacity import report
from scripts.bench.capacity.__main__ import BENCH, PAGE, bench_rows
from scripts.bench.capacity.__main__ import POINTS as POINTS_CSV
from scripts.bench.capacity.measure import Point, from_csv, to_csv
from scripts.bench.capacity.queueing import (
    Line,
    answered_a_second,
    refused,
    seconds_for_each,
    short_line,
    users,
)
from scripts.bench.capacity.scenarios import large_settings
from scripts.bench.service.figures import Row
from scripts.dev import readme
from tests.small_project import ROOT

S = 0.006


@pytest.mark.parametrize("load", [0.1, 0.5, 0.7, 0.9, 0.95])
def test_mean_wait_is_that_of_pollaczek_and_khinchine(load: float) -> None:
    assert Line(load, S).mean_wait() == pytest.approx(load * S / 2 / (1 - load), rel=1e-4)


@pytest.mark.parametrize("load", [0.5, 0.7, 0.85])
@pytest.mark.parametrize("percent", [75, 95, 99])
def test_waits_are_those_of_pictures_that_come_at_random(load: float, percent: float) -> None:
    tried = short_line(load, S, places=10_000)
    assert Line(load, S).wait_percentile(percent) == pytest.approx(tried.wait_percentile(percent), rel=0.08, abs=S / 50)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.05, 0.95), st.floats(0, 0.2), st.floats(0, 0.2))
def test_waiting_times_are_a_distribution(load: float, one: float, other: float) -> None:
    line = Line(load, S)
    short, long = sorted((one, other))
    assert 0 <= line.waits_at_most(short) <= line.waits_at_most(long) + 1e-9 <= 1 + 1e-9
    assert line.waits_at_most(0) == pytest.approx(1 - load, abs=1e-6)  # who finds nobody does not wait


def test_one_common_line_waits_less_than_two() -> None:
    assert Line(0.7, S, servers=2).wait_percentile(99) < Line(0.7, S).wait_percentile(99)


@pytest.mark.parametrize("load", [1.0, 1.5, -0.1])
def test_a_line_that_would_grow_without_end_is_refused(load: float) -> None:
    with pytest.raises(ValueError, match="grows without end"):
        Line(load, S)


@pytest.mark.parametrize(("load", "places"), [(0.7, 4), (0.85, 4), (1.0, 4), (4.0, 4), (2.0, 16)])
def test_share_turned_away_is_what_trying_out_gives(load: float, places: int) -> None:
    assert refused(load, places) == pytest.approx(short_line(load, S, places).refused, abs=0.004)


def test_nobody_who_is_taken_waits_longer_than_the_places_allow() -> None:
    assert short_line(4.0, S, places=4).waits_s[-1] <= 5 * S


def test_refusals_cost_answers_only_where_there_are_any() -> None:
    assert answered_a_second(100, S, 0.0005) == 100
    assert answered_a_second(10_000, S, 0.0) == pytest.approx(1 / S)
    assert answered_a_second(600, S, 0.0005) < 1 / S
    assert answered_a_second(1e6, S, 0.0005) == 0


def test_users_of_a_core_share_it_once_it_is_full() -> None:
    assert users(10, S, 0.7) == pytest.approx(0.7 / (10 * S))
    assert seconds_for_each(1, 10, S) == (10, S)
    rate, answer_s = seconds_for_each(40, 10, S)
    assert rate == pytest.approx(1 / (40 * S))
    assert answer_s == pytest.approx(40 * S)
    assert seconds_for_each(4, math.inf, S)[0] == pytest.approx(1 / (4 * S))


def test_service_time_is_that_of_the_most_answers() -> None:
    rows = [
        Row("ours", "fp32", "closed", clients=1, per_second=160),
        Row("ours", "fp32", "closed", clients=8, per_second=310),
        Row("ours, /stream", "fp32", "closed", clients=32, per_second=320),
        Row("ours", "int8", "closed", clients=2, per_second=450),
        Row("ours", "fp32", "overload", clients=8, per_second=999),
        Row("litserve", "fp32", "closed", clients=8, per_second=999),
    ]
    assert report.service_times(rows) == {"fp32": pytest.approx(2 / 320), "int8": pytest.approx(2 / 450)}


def point(load: str, threads: int, **values: float) -> Point:
    return Point("fp32", threads, load, **values)  # type: ignore[arg-type]


POINTS = [
    made
    for threads in (1, 2)
    for made in (
        point("alone", threads, clients=1, answered=160, p50_ms=6.2, p99_ms=7),
        point("most", threads, clients=4 * threads, answered=165 * threads, p50_ms=24, p99_ms=30),
        point("random", threads, asked=115 * threads, answered=113 * threads, refused=0.017, p50_ms=9, p99_ms=30),
        point("burst", threads, asked=660 * threads, answered=130 * threads, refused=0.8, p50_ms=30, p99_ms=40),
        point("cameras", threads, clients=4 * threads, answered=166 * threads, p50_ms=24, p99_ms=30),
    )
]


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(to_csv(POINTS), encoding="utf-8")
    again = from_csv(tmp_path / "points.csv")
    assert [(each.load, each.threads, each.clients, each.p99_ms) for each in again] == [
        (each.load, each.threads, each.clients, each.p99_ms) for each in POINTS
    ]
    (tmp_path / "points.csv").write_text("threads,rate\n1,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"points\.csv can't be used .*make bench-scale"):
        from_csv(tmp_path / "points.csv")


def test_tables_hold_model_and_measurement_side_by_side() -> None:
    compared = report.comparison(POINTS, queue=4)
    assert "#### 1 thread\n" in compared
    assert "#### 2 threads\n" in compared
    assert "| at random times, 70% of that | P50 ms |" in compared
    cost = report.refusal_s(POINTS)
    assert cost == pytest.approx((1 - 130 / 165) / (660 - 130))
    # As measured at one thread, so at two, which in these points are twice one.
    assert "| 2 threads, 1320 a second | answers a second | 260.0 | 260.0 | 1.00 |" in report.bursts(POINTS, queue=4)


def test_the_page_says_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text(encoding="utf-8")
    points, queue = from_csv(POINTS_CSV), large_settings().queue
    hint = "run `python -m scripts.bench.capacity --no-measure`"
    assert readme.part(page, "core") == report.capacity(report.service_times(bench_rows(BENCH))), hint
    assert readme.part(page, "compared") == report.comparison(points, queue), hint
    assert readme.part(page, "bursts") == report.bursts(points, queue), hint


def test_ten_times_the_people_need_ten_times_the_cores() -> None:
    rows = [line.split(" | ") for line in report.sizes(S, 16.0).splitlines()[2:]]
    cores = [int(row[2].replace(",", "")) for row in rows]
    assert cores == [math.ceil(people * 10 * S / 0.7) for people in report.PEOPLE]
