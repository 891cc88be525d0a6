"""Promote: hold the candidate against the policy and the champion, and make it the champion if it may be.

As a program (the DVC stage ``promote``) it decides, writes reports/promotion.json and prints why. A refusal
keeps the champion and is no failure. Inside an experiment it only says what would happen: a champion is
made in the workspace. ``rollback`` brings the champion before back, ``history`` shows who changed it and
why, ``anyway`` promotes by a person's decision what the policy refuses.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import config, files
from pipeline.core.errors import DataError, PipelineError, run_stage
from pipeline.data.settings import DataSettings
from pipeline.promote import champion, history, policy
from pipeline.promote.champion import Champion
from pipeline.promote.comparison import Challenger
from pipeline.promote.policy import Decision, Gate, PromoteSettings
from pipeline.promote.table import show_decision, show_history
from pipeline.tracking import store
from pipeline.tracking.registry import Registry, Version, metrics_of

CANDIDATE = Path("models/candidate")
MODELS = Path("models")  # of the checkout, also from inside an experiment's copy
REPORT = Path("reports/promotion.json")
OUTSIDE = "a champion is not changed inside an experiment: run this in the workspace"


def promote(anyway: str | None = None) -> None:
    """The stage: decide, act unless this is an experiment, and report.

    ``anyway`` is a person's reason to promote a candidate that is sound, whatever the policy says.

    Raises:
        DataError: there is no candidate, or it can't be read; with ``anyway``, it fails its golden frames.
    """
    experiment, settings, models = config.in_experiment(), config.load("promote", PromoteSettings), _models()
    if anyway is not None and experiment:
        raise PipelineError(OUTSIDE)
    registry = _registry(settings)
    try:
        candidate = bundle.load(CANDIDATE)
    except BundleError as error:
        raise DataError(f"no candidate to promote: {error}") from error
    new = Version.of(candidate)
    # Several experiments may run at once; they change nothing and need no lock.
    with nullcontext() if experiment else champion.lock(models), tempfile.TemporaryDirectory() as scratch:
        before = champion.find(registry, models, candidate, Path(scratch))
        if before and not experiment:
            before = champion.repair(registry, models, before)
        former, word = before.version if before else None, "promoted"
        if former and former.fingerprint == new.fingerprint:
            word, decision = "already champion", Decision(())
        elif anyway is not None:
            decision, why = Decision((_golden(candidate),)), f"by decision: {anyway}"
            if not decision.passed:
                raise DataError(decision.reasons[0])
        else:
            decision = judge(candidate, before, registry, history.read(models), settings)
            word, why = "promoted" if decision.passed else "refused", f"passed all {len(decision.gates)} lines"
            if decision.provisional:
                why = "passed, provisionally: " + "; ".join(decision.reasons)
        if word == "promoted" and not experiment:
            new = champion.promote(registry, models, candidate, former, why)
    now = new if word == "promoted" and not experiment else former
    report = {
        "decision": f"would be {word}" if experiment and word != "already champion" else word,
        "provisional": decision.provisional,
        "reasons": decision.reasons,
        "candidate": _names(new),
        "champion_before": _names(former),
        "champion": _names(now),
        "model_version": (now.number or None) if now else None,
        "gates": [asdict(gate) for gate in decision.gates],
    }
    files.write_json(REPORT, report)
    show_decision(report)


def judge(
    candidate: bundle.Bundle,
    before: Champion | None,
    registry: Registry,
    entries: Sequence[history.Entry],
    settings: PromoteSettings,
) -> Decision:
    """Decide about ``candidate``, reading test pictures where it has to be compared, and changing nothing.

    Raises:
        DataError: the candidate's tables, a test picture or a model can't be read.
        TrackingError: the store can't be read.
    """
    fingerprint, manifest, gates = Version.of(candidate).fingerprint, candidate.manifest, []
    if removed := history.rolled_back(entries, fingerprint):
        note = (
            f"this very model was rolled back on {removed.when} by {removed.who} ({removed.why}); "
            "`python -m pipeline.promote anyway --why …` promotes it all the same"
        )
        gates.append(Gate("history", False, None, "not rolled back", note))
    gates.append(_golden(candidate))
    if not (metrics := metrics_of(manifest)):
        note = "not as this version writes them; `dvc repro -f evaluate` measures them"
        return Decision((*gates, Gate("figures", False, None, "measured", note)))
    challenger, comparisons = Challenger(candidate, settings.champion, config.load("data", DataSettings)), []
    if before and (obstacle := challenger.obstacle(before)):
        note = f"{before.version.name} {obstacle}: no comparison, the floors decide"
        gates.append(Gate("champion", True, None, "comparable", note))
    elif before and before.bundle:
        comparisons = challenger.with_champion(before.bundle, before.version.name)
    others = {fingerprint, before.version.fingerprint if before else None}
    earlier = [e.fingerprint for e in history.champions(entries) if e.fingerprint not in others]
    comparisons += challenger.with_best(registry, earlier)
    rows, variants = challenger.predictions, challenger.variants
    decided = policy.decide(metrics, rows, manifest.labels, variants, settings, comparisons)
    return Decision((*gates, *decided.gates))


def rollback(to: str | None, why: str) -> None:
    """Bring back the champion before this one, or the one that ``to`` names."""
    if config.in_experiment():
        raise PipelineError(OUTSIDE)
    registry, models = _registry(config.load("promote", PromoteSettings)), _models()
    with champion.lock(models):
        removed, version = champion.roll_back(registry, models, to, why)
    print(f"rolled back from {removed.name} to {version.name}")
    print(f"{models / champion.PROMOTED} and the alias of {registry.model} are changed; services take it over")


def _registry(settings: PromoteSettings) -> Registry:
    return Registry(store.open_store(config.load("tracking", store.Settings)), settings.model)


def _models() -> Path:
    return store.project_root() / MODELS


def _golden(candidate: bundle.Bundle) -> Gate:
    note = ""
    try:
        for variant in candidate.manifest.variants:
            Engine(candidate, variant).check_golden()
    except BundleError as error:
        note = str(error)
    return Gate("golden frames", not note, None, f"within {candidate.manifest.golden_tolerance:g}", note)


def _names(version: Version | None) -> dict[str, str] | None:
    return {"version": version.bundle, "fingerprint": version.fingerprint} if version else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage (no command), ``rollback``, ``history`` or ``anyway``."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m pipeline.promote", description=__doc__, formatter_class=plain)
    commands = parser.add_subparsers(dest="command", title="instead of the stage")
    back = commands.add_parser("rollback", help="bring the champion before back")
    back.add_argument("--to", metavar="VERSION", help="a version's number or a bundle's name, of the history")
    back.add_argument("--why", default="no reason given", help="for the history")
    commands.add_parser("history", help="who made which model the champion, when and why")
    force = commands.add_parser("anyway", help="promote the candidate by your decision")
    force.add_argument("--why", required=True, help="for the history")
    given = parser.parse_args(argv)
    instead = {
        "rollback": lambda: rollback(given.to, given.why),
        "history": lambda: show_history(history.read(_models())),
        "anyway": lambda: promote(given.why),
    }
    return run_stage(instead.get(given.command, promote))
