"""Promote: hold the candidate against the policy and the champion, and make it the champion if it may be.

As a program (the DVC stage ``promote``) it decides, writes reports/promotion.json and prints why. A refusal
keeps the champion and is no failure. Inside an experiment it only says what would happen: a champion is
made in the workspace. ``rollback`` brings the champion before back, ``history`` shows who changed it and
why, ``anyway`` promotes by a person's decision what the policy refuses.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

import bundle
from bundle.engine import Engine
from bundle.errors import BundleError
from pipeline.core import config, files
from pipeline.core.errors import DataError, PipelineError, run_stage
from pipeline.data import forgotten
from pipeline.data.settings import DataSettings
from pipeline.metrics.predictions import PHOTOS, PREDICTIONS, read, read_photos
from pipeline.promote import champion, history, policy
from pipeline.promote.champion import Champion
from pipeline.promote.comparison import LABELS, compare
from pipeline.promote.policy import Decision, Gate, PromoteSettings
from pipeline.tracking import store
from pipeline.tracking.registry import Registry, Version, metrics_of

CANDIDATE = Path("models/candidate")
MODELS = Path("models")  # of the checkout, also from inside an experiment's copy
REPORT = Path("reports/promotion.json")
OUTSIDE = "a champion is not changed inside an experiment: run this in the workspace"
LOG_WIDTH = 160  # columns of a table, where there is no terminal


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
    new, known = Version.of(candidate), _forgotten(candidate)
    if anyway is not None and not known.passed:
        raise DataError(known.note)
    # Several experiments may run at once; they change nothing and need no lock.
    with nullcontext() if experiment else champion.lock(models), tempfile.TemporaryDirectory() as scratch:
        before = champion.find(registry, models, candidate, Path(scratch))
        if before and not experiment:
            before = champion.reconcile(registry, models, before)
        former, word, why = before.version if before else None, "promoted", ""
        if not known.passed:
            word, decision = "refused", Decision((known,))
        elif before and before.version.fingerprint == new.fingerprint:
            word, decision = "already champion", Decision(())
            if not experiment:
                champion.renew(registry, models, candidate, before)
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
    _show_decision(report)


def judge(
    candidate: bundle.Bundle,
    before: Champion | None,
    registry: Registry,
    entries: Sequence[history.Entry],
    settings: PromoteSettings,
) -> Decision:
    """Decide about ``candidate``, changing nothing.

    It is compared with the champion and with the best of earlier champions, so that losses within the margin do not add
    up.

    Raises:
        DataError: a table of answers can't be read.
        TrackingError: the store can't be read.
    """
    fingerprint, manifest, gates = Version.of(candidate).fingerprint, candidate.manifest, []
    champions, removed = history.replay(entries)
    if back := removed.get(fingerprint):
        note = (
            f"this very model was rolled back on {back.when} by {back.who} ({back.why}); "
            "`python -m pipeline.promote anyway --why …` promotes it all the same"
        )
        gates.append(Gate("history", False, None, "not rolled back", note))
    gates.append(_golden(candidate))
    if not (metrics := metrics_of(manifest)):
        note = "not as this version writes them; `dvc repro -f evaluate` measures them"
        return Decision((*gates, Gate("figures", False, None, "measured", note)))
    # Served are the service's default, and fp32, which the browser takes.
    variants = [v for v in manifest.variants if v in (manifest.default_variant, "fp32")]
    answers = [p for p in read(candidate.path(PREDICTIONS)) if p.variant in variants]
    labels, confidence, comparisons = manifest.labels, settings.champion.confidence, []
    if before and (obstacle := _obstacle(before, labels)):
        note = f"{before.version.name} {obstacle}: no comparison, the floors decide"
        gates.append(Gate("champion", True, None, "comparable", note))
    elif before and (model := before.bundle):
        theirs = read(model.path(PREDICTIONS))
        comparisons.append(compare("the champion", before.version.name, theirs, answers, labels, confidence))
        its = metrics_of(model.manifest)
        if its and read_photos(model.path(PHOTOS)) == read_photos(candidate.path(PHOTOS)):
            gates += policy.against_test(metrics, its, variants)
    others, key = {fingerprint, before.version.fingerprint if before else None}, (manifest.default_variant, LABELS)
    best = []
    for entry in champions:
        if entry.fingerprint not in others and (version := registry.find(entry.fingerprint)):
            theirs = registry.predictions(version)
            if {*labels} <= {p.truth for p in theirs} and {p.answer for p in theirs} <= {*labels, ""}:
                best.append(compare("the best before it", version.name, theirs, answers, labels, confidence))
    best = [comparison for comparison in best if key in comparison.differences]
    comparisons += sorted(best, key=lambda comparison: comparison.differences[key].value)[:1]
    decided = policy.decide(metrics, answers, labels, variants, settings, comparisons)
    return Decision((*gates, *decided.gates))


def _obstacle(before: Champion, labels: Sequence[str]) -> str:
    """Why a candidate that knows ``labels`` can't be compared with the champion; empty where it can."""
    if (model := before.bundle) is None:
        return f"can't be read any more ({before.why_not})"
    if {*model.manifest.labels} != {*labels}:
        return f"knows other labels ({', '.join(model.manifest.labels)})"
    return "" if {PREDICTIONS, PHOTOS} <= model.manifest.files.keys() else "keeps no answers from elsewhere"


def rollback(to: str | None, why: str) -> None:
    """Bring back the champion before this one, or the one that ``to`` names."""
    if config.in_experiment():
        raise PipelineError(OUTSIDE)
    registry, models = _registry(config.load("promote", PromoteSettings)), _models()
    with champion.lock(models):
        removed, version = champion.roll_back(registry, models, to, why)
    print(f"rolled back from {removed.name} to {version.name}")
    print(f"{models / champion.PROMOTED} and the alias of {registry.model} are changed; services take it over")


def show_history() -> None:
    """Print all changes of champion, oldest first; a star marks the present one."""
    entries = history.read(_models())
    if not entries:
        print("no model was promoted yet; `dvc repro` makes and promotes one")
        return
    rows = [["", e.when[:16].replace("T", " "), e.who, e.action, str(e.version), e.bundle, e.why] for e in entries]
    rows[-1][0] = "*"
    _show(("", "when (UTC)", "who", "what", "version", "bundle", "why"), rows)


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


def _forgotten(candidate: bundle.Bundle) -> Gate:
    knew = read_photos(candidate.path(PHOTOS)) if PHOTOS in candidate.manifest.files else {}
    back = forgotten.hashes(config.load("data", DataSettings)) & knew.keys()
    note = f"it knew {len(back)} photos that were forgotten; `dvc add data` and `dvc repro` make a model without them"
    return Gate("forgotten photos", not back, len(back), "0", note if back else "")


def _names(version: Version | None) -> dict[str, str] | None:
    return {"version": version.bundle, "fingerprint": version.fingerprint} if version else None


def _show_decision(report: Mapping[str, Any]) -> None:
    """Print what promote decided; ``report`` is what reports/promotion.json holds."""
    rows = []
    for gate in report["gates"]:
        verdict = Text("provisional", "yellow") if gate["provisional"] else Text("passed", "green")
        value = "" if gate["value"] is None else f"{gate['value']:.4g}"
        name = f"{gate['name']} {gate['variant'] or ''}".strip()
        rows.append((name, value, gate["limit"], verdict if gate["passed"] else Text("refused", "bold red")))
    if rows:
        _show(("check", "measured", "asked", ""), rows)
    decision = report["decision"]
    print(f"{report['candidate']['version']}: {decision}{' (provisional)' if report['provisional'] else ''}")
    for reason in report["reasons"]:
        print(f"  {reason}")
    if decision == "promoted":
        print(f"models/promoted holds it; it is version {report['model_version']} in the registry")
    elif decision == "would be promoted":
        # An experiment that ran in a copy leaves no model behind: the outputs are not in DVC's cache.
        print(
            "  in the workspace: `dvc exp apply` it, `dvc repro`, and if that ran nothing `python -m pipeline.promote`"
        )
    elif report["champion"] and decision != "already champion":
        print(f"the champion stays {report['champion']['version']}")


def _show(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table, drawn on a terminal, plain lines in a log."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(table)


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
        "history": show_history,
        "anyway": lambda: promote(given.why),
    }
    return run_stage(instead.get(given.command, promote))
