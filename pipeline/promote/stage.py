"""Promote: hold the candidate against the policy and the champion, and make it the champion if it may be.

As a program (the DVC stage ``promote``) it decides, writes reports/promotion.json and prints why. A refusal
keeps the champion and is no failure. Inside an experiment it only says what would happen: a champion is
made in the workspace. ``rollback`` brings the champion before back, ``history`` shows who changed it and
why, ``anyway`` promotes by a person's decision what the policy refuses.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import config, files
from pipeline.core.config import IN_EXPERIMENT
from pipeline.core.errors import DataError, PipelineError, run_stage
from pipeline.data.settings import DataSettings
from pipeline.promote import champion, history, policy
from pipeline.promote.champion import Champion
from pipeline.promote.comparison import Challenger
from pipeline.promote.policy import Decision, Gate, PromoteSettings
from pipeline.promote.table import show_decision, show_history
from pipeline.tracking import store
from pipeline.tracking.registry import Registry, metrics_of

CANDIDATE = Path("models/candidate")
MODELS = Path("models")  # of the checkout, also from inside an experiment's copy
REPORT = Path("reports/promotion.json")


@dataclass(frozen=True)
class Outcome:
    """What promote made of a candidate: "promoted", "refused" or "already champion", and why."""

    word: str
    reasons: list[str]
    decision: Decision

    @property
    def provisional(self) -> bool:
        """Whether it was promoted on too few pictures to know much."""
        return self.word == "promoted" and self.decision.provisional


def promote() -> None:
    """The stage: decide, act unless this is an experiment, and report."""
    experiment = any(name in os.environ for name in IN_EXPERIMENT)
    settings = config.load("promote", PromoteSettings)
    registry = _registry(settings)
    models = _models()
    candidate = _candidate()
    # Several experiments may run at once; they change nothing and need no lock.
    with nullcontext() if experiment else champion.lock(models), tempfile.TemporaryDirectory() as scratch:
        if experiment:
            before = champion.current(registry, models, Path(scratch))
        else:
            before = champion.reconcile(registry, models, candidate)
        outcome = judge(candidate, before, registry, history.read(models), settings)
        number = before.version.number if before and before.version else None
        if outcome.word == "promoted" and not experiment:
            number = champion.promote(registry, models, candidate, before, _why(outcome)).number
    report = _report(outcome, candidate, before, number, experiment)
    files.write_json(REPORT, report)
    show_decision(report)


def judge(
    candidate: bundle.Bundle,
    before: Champion | None,
    registry: Registry,
    entries: Sequence[history.Entry],
    settings: PromoteSettings,
) -> Outcome:
    """Decide about ``candidate``, reading test pictures where it has to be compared, and changing nothing.

    Raises:
        DataError: the candidate's tables, a test picture or a model can't be read.
        TrackingError: the store can't be read.
    """
    fingerprint, manifest = bundle.fingerprint(candidate.manifest), candidate.manifest
    if before and before.fingerprint == fingerprint:
        return Outcome("already champion", [f"{before.name} is this very model"], Decision(()))
    gates = [_golden(candidate)]
    if metrics := metrics_of(manifest):
        challenger = Challenger(candidate, settings.champion, config.load("data", DataSettings))
        others = {fingerprint, before.fingerprint if before else None}
        earlier = [e.fingerprint for e in history.champions(entries) if e.fingerprint not in others]
        comparisons, notes = challenger.with_champion(before) if before else ([], [])
        comparisons += challenger.with_best(registry, earlier)
        decided = policy.decide(
            metrics, challenger.predictions, manifest.labels, challenger.variants, settings, comparisons
        )
        gates += [*decided.gates, *notes]
    else:
        note = "not as this version writes them; `dvc repro -f evaluate` measures them"
        gates.append(Gate("figures", False, None, "measured", note))
    decision = Decision(tuple(gates))
    if removed := history.rolled_back(entries, fingerprint):
        reason = (
            f"this very model was rolled back on {removed.when} by {removed.who} ({removed.why}); "
            "`python -m pipeline.promote anyway --why …` promotes it all the same"
        )
        return Outcome("refused", [reason, *([] if decision.passed else decision.reasons)], decision)
    return Outcome("promoted" if decision.passed else "refused", decision.reasons, decision)


def anyway(why: str) -> None:
    """Make the candidate the champion, whatever the policy says; the history keeps ``why``.

    Raises:
        DataError: there is no sound candidate.
    """
    settings = config.load("promote", PromoteSettings)
    registry, models, candidate = _registry(settings), _in_the_workspace(), _candidate()
    if not (gate := _golden(candidate)).passed:
        raise DataError(gate.note)
    with champion.lock(models):
        before = champion.reconcile(registry, models, candidate)
        if before and before.fingerprint == bundle.fingerprint(candidate.manifest):
            print(f"{before.name} is the champion already")
            return
        version = champion.promote(registry, models, candidate, before, f"by decision: {why}")
    print(
        f"promoted {version.bundle} as version {version.number} of {registry.model}, whatever the policy says"
    )


def rollback(to: str | None, why: str) -> None:
    """Bring back the champion before this one, or the one that ``to`` names."""
    registry = _registry(config.load("promote", PromoteSettings))
    models = _in_the_workspace()
    with champion.lock(models):
        removed, version = champion.roll_back(registry, models, to, why)
    print(
        f"rolled back from {removed.bundle} (version {removed.number}) to {version.bundle} ({version.number})"
    )
    print(
        f"{models / champion.PROMOTED} and the alias of {registry.model} are changed; services take it over"
    )


def _registry(settings: PromoteSettings) -> Registry:
    return Registry(store.open_store(config.load("tracking", store.Settings)), settings.model)


def _models() -> Path:
    root = store.project_root()
    return MODELS if root == Path.cwd().resolve() else root / MODELS


def _in_the_workspace() -> Path:
    if any(name in os.environ for name in IN_EXPERIMENT):
        raise PipelineError("a champion is not changed inside an experiment: run this in the workspace")
    return _models()


def _candidate() -> bundle.Bundle:
    try:
        return bundle.load(CANDIDATE)
    except BundleError as error:
        raise DataError(f"no candidate to promote: {error}") from error


def _golden(candidate: bundle.Bundle) -> Gate:
    limit = f"within {candidate.manifest.golden_tolerance:g}"
    try:
        for variant in candidate.manifest.variants:
            Engine(candidate, variant).check_golden()
    except BundleError as error:
        return Gate("golden frames", False, None, limit, str(error))
    return Gate("golden frames", True, None, limit)


def _why(outcome: Outcome) -> str:
    if outcome.decision.provisional:
        return "passed, provisionally: " + "; ".join(outcome.reasons)
    return f"passed all {len(outcome.decision.gates)} lines of the policy"


def _report(
    outcome: Outcome, candidate: bundle.Bundle, before: Champion | None, number: int | None, experiment: bool
) -> dict[str, Any]:
    word = outcome.word
    if experiment and word != "already champion":
        word = f"would be {word}"
    new = {"version": candidate.manifest.version, "fingerprint": bundle.fingerprint(candidate.manifest)}
    former = {"version": before.title, "fingerprint": before.fingerprint} if before else None
    return {
        "decision": word,
        "provisional": outcome.provisional,
        "reasons": outcome.reasons,
        "candidate": new,
        "champion_before": former,
        "champion": new if word == "promoted" else former,
        "model_version": number,
        "gates": outcome.decision.to_json(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.promote",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", title="instead of the stage")
    back = commands.add_parser("rollback", help="bring the champion before back")
    back.add_argument("--to", metavar="VERSION", help="a version's number or a bundle's name, of the history")
    back.add_argument("--why", default="no reason given", help="for the history")
    commands.add_parser("history", help="who made which model the champion, when and why")
    force = commands.add_parser("anyway", help="promote the candidate by your decision")
    force.add_argument("--why", required=True, help="for the history")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage (no command), ``rollback``, ``history`` or ``anyway``."""
    arguments = _parser().parse_args(argv)
    match arguments.command:
        case "rollback":
            return run_stage(lambda: rollback(arguments.to, arguments.why))
        case "history":
            return run_stage(lambda: show_history(history.read(_models())))
        case "anyway":
            return run_stage(lambda: anyway(arguments.why))
        case _:
            return run_stage(promote)
