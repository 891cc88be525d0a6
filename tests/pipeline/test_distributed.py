"""Training in several processes: each sees its part, all end with the same weights, one writes, none hangs."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import PipelineError
from pipeline.models.learner import FOLDER, load
from pipeline.train.distributed import part_length, part_of
from pipeline.train.processes import Processes
from scripts.dev.clone import environment
from scripts.train_distributed import launched, launcher_options, main
from tests.small_project import ROOT, Project

TIMEOUT_S = 300
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@given(st.integers(1, 200), st.integers(1, 9))
def test_parts_are_equally_long_and_hold_every_picture(pictures: int, processes: int) -> None:
    parts = [part_of(range(pictures), rank, processes) for rank in range(processes)]
    assert {len(part) for part in parts} == {part_length(pictures, processes)}
    assert set().union(*parts) == set(range(pictures))
    assert sum(map(len, parts)) - pictures < processes


@pytest.mark.parametrize(
    "said",
    [
        {"WORLD_SIZE": "2", "RANK": "2"},
        {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_WORLD_SIZE": "4"},
        {"WORLD_SIZE": "two"},
        {"RANK": "-1"},
    ],
)
def test_variables_that_make_no_sense_are_named(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert Processes.of_launcher() == Processes()
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError, match=r"launcher make no sense .*=.*make train-distributed"):
        Processes.of_launcher()


def test_more_processes_than_gpus_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Processes().device() == torch.device("cuda")
    assert Processes(1, 2, 1, 2).device() == torch.device("cuda", 1)
    with pytest.raises(PipelineError, match=r"4 processes, but 2 GPUs here"):
        Processes(1, 4, 1, 4).device()


def together(folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, "-m", "tests.pipeline.two_processes", str(folder), how],
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes knows after they trained together."""
    folder = tmp_path_factory.mktemp("together")
    done = together(folder, "train")
    assert done.returncode == 0, done.stdout
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_both_end_with_the_same_weights(left: list[dict[str, Any]]) -> None:
    first, second = (each["weights"] for each in left)
    learnt = [name for name, tensor in first.items() if tensor.is_floating_point() and "running" not in name]
    assert learnt
    for name in learnt:
        assert torch.equal(first[name], second[name]), name


def test_each_is_given_its_part_in_an_order_that_all_share(left: list[dict[str, Any]]) -> None:
    for pictures, (ours, theirs) in zip((19, 13), zip(*(each["given"] for each in left), strict=True), strict=True):
        assert len(ours) == len(theirs) == (pictures + 1) // 2
        assert set(ours) | set(theirs) == set(range(pictures))
        assert len(set(ours) & set(theirs)) == 1  # the one that is given out twice


def test_validation_counts_every_picture_once(left: list[dict[str, Any]]) -> None:
    ends = [each["epochs"][-1] for each in left]
    assert ends[0]["accuracy"] == ends[1]["accuracy"]
    assert ends[0]["valid_loss"] == ends[1]["valid_loss"]
    assert ends[0]["accuracy"] == pytest.approx(left[0]["accuracy"])


def test_the_schedule_counts_the_steps_that_there_are(left: list[dict[str, Any]]) -> None:
    """10 pictures each, in batches of 6, what is left over dropped; else one-cycle would not reach its end."""
    assert [each["steps"] for each in left] == [[1, 1], [1, 1]]


@pytest.mark.parametrize("how", ["fail", "die"])
def test_when_one_fails_both_end_and_say_so(how: str, tmp_path: Path) -> None:
    done = together(tmp_path, how)
    assert done.returncode != 0
    assert not list(tmp_path.glob("*.pt"))
    if how == "fail":
        assert "error: the second process can't go on" in done.stdout
    assert "error: process 0 of 2 " in done.stdout, done.stdout


def test_launcher_comes_between_the_stages_variables_and_its_module() -> None:
    stage = "env OMP_WAIT_POLICY=PASSIVE python -m pipeline.train"
    options = launcher_options(8, 2, 1, "trainer-0.example:29500")
    assert " ".join(launched(stage, options)) == (
        "env OMP_WAIT_POLICY=PASSIVE python -m torch.distributed.run --nnodes 2 --node-rank 1 "
        "--master-addr trainer-0.example --master-port 29500 --nproc-per-node 8 -m pipeline.train"
    )


@pytest.mark.parametrize(
    "arguments", ["--processes 0", "--nodes 2", "--nodes 2 --node 2 --first a:1", "--nodes 2 --first a:b"]
)
def test_numbers_that_make_no_sense_are_refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments.split())
    assert "error: " in capsys.readouterr().err


def test_two_nodes_train_one_model_and_the_stages_go_on_from_it(validated_project: Project, tmp_path: Path) -> None:
    """Two nodes of one process each, in checkouts of their own: the first keeps the model, the second nothing."""
    nodes = [validated_project.copy(tmp_path / name) for name in ("first", "second")]
    for node in nodes:
        node.edit("conf/config.yaml", "- train: probe", "- train: smoke")
        node.set("conf/train/smoke.yaml", "epochs", 2)
        stages = node.root / "dvc.yaml"  # without those that would only repeat what other tests see
        stages.write_text(stages.read_text(encoding="utf-8").partition("\n  evaluate:\n")[0] + "\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        first = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "python",
        "-m",
        "scripts.train_distributed",
        "--processes",
        "1",
        "--nodes",
        "2",
        "--first",
        first,
    ]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda i: nodes[i].run(*command, "--node", str(i)), (0, 1)))
    assert said[0].count("epoch  2/2") == 1
    assert "2 process(es)" in said[0]
    assert "epoch" not in said[1]
    description, _ = load(nodes[0].root / FOLDER)
    assert description.labels == ("art", "plant", "text")
    assert not (nodes[1].root / FOLDER).exists()
    assert not (nodes[1].root / ".mlflow").exists()
    assert "Running stage 'export'" in said[0]
    assert "Running stage 'train'" not in said[0]
    assert (nodes[0].root / "build" / "export" / "manifest.json").exists()
    assert nodes[0].repro() == []
