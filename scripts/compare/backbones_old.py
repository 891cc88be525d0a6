"""Answer the questions of the original post with experiments that DVC queues and runs, and compare them in a table.

How much longer does it take without transfer? Is training the head alone enough? Which backbone? Each is an
experiment of the last commit up to `evaluate`: none of them is promoted. Prints a Markdown table, with its date and
the command, as the README shows it.
"""

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core import config
from pipeline.core.errors import PipelineError
from pipeline.evaluate.summary import interval
from pipeline.models.backbones import BACKBONES, WeightsError
from pipeline.tracking import store
from scripts import readme
from scripts.clone import environment

REPORT = "reports/evaluation.json"
PREFIX = "compare-"


@dataclass(frozen=True)
class Experiment:
    """One line of the table: what is changed against conf/, and the backbone whose weights it takes."""

    name: str
    overrides: tuple[str, ...] = ()
    weights: str | None = None


EXPERIMENTS = (
    Experiment("fine-tuned"),
    Experiment("head-only", ("train=frozen",)),
    Experiment("from-scratch", ("model.pretrained=false",)),
    *(
        Experiment(name, (f"model={name}",), weights=name)
        for name in ("efficientnet_lite1", "efficientnet_lite2", "mobilenet_v2", "resnet34", "resnet50")
    ),
)


@dataclass(frozen=True)
class Line:
    """What an experiment gave: the metrics of its evaluation and the seconds of its training, or why nothing."""

    experiment: Experiment
    metrics: Mapping[str, Any] | None
    train_seconds: float | None = None
    reason: str = ""


def out_of_reach(experiment: Experiment) -> str:
    """Why the experiment's weights can't be had here; empty where they can."""
    if experiment.weights is None:
        return ""
    try:
        BACKBONES[experiment.weights].body(True)
    except WeightsError as error:
        return str(error).partition(";")[0]  # what it advises is for whoever chose that model
    return ""


def dvc(*arguments: str) -> str:
    """Run DVC; return what it printed on stdout. Its errors go to the terminal.

    Raises:
        subprocess.CalledProcessError: DVC failed.
    """
    command = ["dvc", *arguments]
    return subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE, text=True).stdout


def run(experiments: Sequence[Experiment]) -> None:
    """Queue ``experiments`` in place of earlier ones of their names, and run them one after another."""
    known = dvc("exp", "list", "--all-commits", "--name-only").split()
    for experiment in experiments:
        name = PREFIX + experiment.name
        if name in known:
            dvc("exp", "remove", name)
        overrides = [part for override in experiment.overrides for part in ("-S", override)]
        dvc("exp", "run", "--queue", "--name", name, *overrides, "evaluate")
    print(
        f"{len(experiments)} experiments, one after another, each with its own training; "
        f"to watch one: dvc queue logs --follow {PREFIX}{experiments[0].name}",
        flush=True,
    )
    dvc("exp", "run", "--run-all", "--jobs", "1")


def collect(experiments: Sequence[Experiment]) -> list[Line]:
    """Read what each experiment gave from DVC, and how long it trained from MLflow."""
    evaluations = dict(_evaluations(json.loads(dvc("exp", "show", "--all-commits", "--json"))))
    seconds = _train_seconds()
    lines = []
    for experiment in experiments:
        name = PREFIX + experiment.name
        metrics = evaluations.get(name)
        reason = "" if metrics else f"it failed: dvc queue logs {name}"
        lines.append(Line(experiment, metrics, seconds.get(name), reason))
    return lines


def _evaluations(shown: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and metrics of every experiment that ran, from `dvc exp show --json`."""
    for baseline in shown:
        for experiment in baseline.get("experiments") or ():
            for revision in experiment.get("revs") or ():
                report = ((revision.get("data") or {}).get("metrics") or {}).get(REPORT) or {}
                metrics = (report.get("data") or {}).get("metrics")
                if metrics and experiment.get("name"):
                    yield experiment["name"], metrics


def _train_seconds() -> dict[str, float]:
    """Seconds of training of the newest MLflow run of each experiment, by its name."""
    opened = store.open_store(config.load("tracking", store.Settings))
    runs = opened.client.search_runs([opened.experiment_id], order_by=["attributes.start_time ASC"])
    return {
        run.data.tags["dvc_experiment"]: run.data.metrics["train_seconds"]
        for run in runs
        if "dvc_experiment" in run.data.tags and "train_seconds" in run.data.metrics
    }


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table, most of it with 95 % intervals in brackets."""
    rows = ["| experiment | changed | right | log loss | training | size | one picture |", "| --- " * 7 + "|"]
    for line in lines:
        name = line.experiment.name.replace("-", " ")
        changed = " ".join(f"`{override}`" for override in line.experiment.overrides) or "nothing"
        if line.metrics is None:
            rows.append(f"| {name} | {changed} | skipped | | | | |")
            continue
        metrics = line.metrics
        seconds = "-" if line.train_seconds is None else f"{line.train_seconds:.0f} s"
        rows.append(
            f"| {name} | {changed} | {interval(metrics['accuracy'], '{:.1%}')} "
            f"| {interval(metrics['log_loss'], '{:.2f}')} | {seconds} "
            f"| {metrics['size_mb']:.1f} MB | {metrics['latency_ms']['p50']:.1f} ms |"
        )
    reasons = [f"- {line.experiment.name}: {line.reason}" for line in lines if line.reason]
    return "\n".join([*rows, *(["", *reasons] if reasons else [])])


def main(argv: Sequence[str] | None = None) -> int:
    """Queue, run and compare; exit status 1 where DVC or the store failed."""
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=[e.name for e in EXPERIMENTS], help="some of the experiments"
    )
    parser.add_argument("--show", action="store_true", help="run nothing: the table of what ran already")
    parser.add_argument("--readme", action="store_true", help="write the table into the README as well")
    arguments = parser.parse_args(argv)
    chosen = [e for e in EXPERIMENTS if not arguments.only or e.name in arguments.only]
    try:
        reasons = {experiment: out_of_reach(experiment) for experiment in chosen}
        feasible = [experiment for experiment in chosen if not reasons[experiment]]
        if not arguments.show and feasible:
            run(feasible)
        lines = collect(feasible)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} failed (see above)", file=sys.stderr)
        return 1
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    lines += [Line(experiment, None, reason=reason) for experiment, reason in reasons.items() if reason]
    today = datetime.datetime.now(tz=datetime.UTC).date()
    text = f"{table(lines)}\n\n{today}, `make compare`. In brackets: 95 % intervals."
    print(f"\n{text}")
    if arguments.readme:
        readme.write("compare", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
