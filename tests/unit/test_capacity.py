"""The tables of docs/scale.md follow from what was measured."""

import math
from pathlib import Path

import pytest

from scripts.bench import capacity
from scripts.bench.results import of_csv
from scripts.bench.service.measure import Row
from scripts.dev import readme
from tests.small_project import ROOT

ROWS = [
    row
    for threads in (1, 2)
    for row in (
        Row("ours", "fp32", "closed", threads, clients=1, per_second=160, p50_ms=6.2, server_cpu_ms=6.0, worker_mb=180),
        Row("ours", "fp32", "closed", threads, clients=4 * threads, per_second=165 * threads, server_cpu_ms=6.5),
        Row("ours, /stream", "fp32", "closed", threads, clients=8 * threads, per_second=160 * threads, p50_ms=50),
    )
]


def test_users_of_a_core_follow_from_the_answers_of_the_saturated_service() -> None:
    one, two = capacity.core(ROWS).splitlines()[2:]
    assert one == "| 1 | fp32 | 165 | 6.5 | 0 | 3.8 | 11.5 | 23.1 |"
    assert two.startswith("| 2 | fp32 | 330 |")


def test_streams_have_the_reckoned_rate_beside_the_measured_one() -> None:
    assert capacity.streams(ROWS).splitlines()[2] == "| 1 | 8 | 20.6 | 20.0 | 0.97 | 50.0 |"


def test_the_lock_bounds_the_answers_of_a_process() -> None:
    assert "more than 1000 answers a second, which is what 6.5 cores do" in capacity.lock(ROWS, 1.0)
    assert capacity.lock(ROWS, math.nan).startswith("Not measured")


def test_ten_times_the_people_need_ten_times_the_cores() -> None:
    rows = [line.split(" | ") for line in capacity.sizes(165).splitlines()[2:]]
    cores = [int(row[2].replace(",", "")) for row in rows]
    assert cores == [math.ceil(people * 10 / (0.7 * 165)) for people in capacity.PEOPLE]


def test_the_page_says_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = capacity.PAGE.read_text(encoding="utf-8")
    rows = of_csv(Path(capacity.CSV), Row, "make bench-scale")
    assert readme.part(page, "core") == capacity.core(rows)
    assert readme.part(page, "streams") == capacity.streams(rows)
    assert readme.part(page, "sizes") == capacity.sizes(capacity.answers(rows))
