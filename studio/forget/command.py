"""`python -m studio forget`: what a person types, the questions before it, and what is said at the end."""

import argparse
import sys
from collections.abc import Sequence
from typing import cast

from pipeline.core.errors import PipelineError
from pipeline.data.forgotten import Receipt
from studio.errors import StudioError
from studio.forget import plan, targets, work

GIT = (
    "dvc push data.dvc  # where the photos are published with the clone",
    "git add --all .bundled data.dvc dvc.lock ATTRIBUTION.md reports/evaluation.json docs/gifs",
    'git commit -m "A photo was forgotten"',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="a photo below data/images, or its sha256")
    parser.add_argument("--why", default="", help="for the receipt (data/forgotten.jsonl)")
    parser.add_argument("--near", action="store_true", help="near duplicates as well")
    parser.add_argument("--recordings", nargs="*", metavar="NAME", help="recordings that show it, and their GIFs")
    parser.add_argument("--no-train", action="store_true", help="train no model without it now")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--resume", action="store_true", help="go on with what is not done")
    instead.add_argument("--list", action="store_true", help="what is not done")


def main(argv: Sequence[str]) -> int:
    """Run ``forget``; raises like `run`."""
    parser = argparse.ArgumentParser(prog="python -m studio forget", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """Forget, go on, or list; the exit status is 1 where something is left to do.

    Raises:
        StudioError, PipelineError: see `studio.forget.work.forget`.
    """
    if not arguments.list:
        receipts = work.resume(train=not arguments.no_train) if arguments.resume else _forget(arguments)
        _report(receipts)
    return _list()


def _forget(arguments: argparse.Namespace) -> list[Receipt]:
    files = cast(Sequence[str], arguments.files)
    if not files or not arguments.why.strip():
        raise StudioError('name the photos, and say why: `python -m studio forget FILE … --why "…"`')
    recordings: Sequence[str] = arguments.recordings or []
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise StudioError("nobody is there to be asked: give --yes, and --near or --recordings where they apply")
        there = sorted({path.stem for path in targets.RECORDINGS.glob("[!.]*")})
        if arguments.recordings is None and there:
            recordings = input(f"Recordings that show it, of {', '.join(there)} (Enter: none): ").split()
    if not arguments.near:
        _offer(files)
    if not arguments.yes and input("It can't be brought back. Forget it? (y/N) ").strip().lower() not in ("y", "yes"):
        raise StudioError("nothing was changed")
    return work.forget(
        files, arguments.why, recordings=recordings, take_near=arguments.near, train=not arguments.no_train
    )


def _offer(files: Sequence[str]) -> None:
    """Name near duplicates, which stay unless they are asked for."""
    try:
        found = work.near(files)
    except PipelineError as error:
        print(f"near duplicates were not looked for: {error}")
        return
    for file, alike in found.items():
        print(f"nearly the same: {file} ({alike:.2f}); --near forgets it as well")


def _report(receipts: Sequence[Receipt]) -> None:
    for receipt in receipts[-1:]:
        for learnt in receipt.versions:
            print(f"version {learnt.version} ({learnt.bundle}) is tainted: the photo was on its side {learnt.side}")
        print("not in reach:", *receipt.unreachable, sep="\n  ")
        print("to record it:", *GIT, sep="\n  ")


def _list() -> int:
    standing = plan.standing()
    for each in standing:
        print(f"not done: {len(each.photos)} photos, asked for on {each.at:%Y-%m-%d} ({each.why})")
        for place, trouble in each.open.items():
            print(f"  {place}: {trouble}")
    if standing:
        print("`python -m studio forget --resume` goes on")
    return int(bool(standing))
