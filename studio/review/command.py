"""The queue without a browser: ``python -m studio review`` lists and applies, ``pull`` brings feedback into it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from pipeline.core import config, files
from pipeline.data.findings import shown
from pipeline.data.settings import DataSettings
from pipeline.models.settings import ModelSettings
from studio.album import Album
from studio.review import decisions, inbox
from studio.review.compare import since
from studio.review.queue import Item, Queue

COLUMNS = ("sha256", "file", "label", "thinks", "why", "other", "author", "licence", "action")
COUNT = 40  # items that are listed where nothing is said


def main(argv: Sequence[str]) -> int:
    """Run ``review`` or ``pull``; raises like `run` and `run_pull`."""
    parser = argparse.ArgumentParser(prog="python -m studio", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_arguments(commands.add_parser("review", help="look through the photos"))
    add_pull_arguments(commands.add_parser("pull", help="bring what users of a deployed service have sent in"))
    arguments = parser.parse_args(argv)
    return run(arguments) if arguments.command == "review" else run_pull(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``review``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="list the photos that should be looked at, the worst first")
    what.add_argument("--apply", type=Path, metavar="CSV", help="carry out the decisions of a file, all or none")
    parser.add_argument("--count", type=int, default=COUNT, help=f"items that are listed (default {COUNT})")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the list to a file, to be filled in and applied"
    )


def add_pull_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``pull``."""
    parser.add_argument("folder", type=Path, help="the folder that FEEDBACK names in the service, or a copy of it")


def run(arguments: argparse.Namespace) -> int:
    """List or apply; the exit status.

    Raises:
        PipelineError: the photos or the file can't be used. StudioError: a decision can't be carried out.
    """
    queue = Queue(_album())
    if arguments.apply:
        steps = decisions.apply(queue, arguments.apply)
        for step in steps:
            print(f"step {step.step}: {queue.album.journal.said(step.step)}")
        if steps:
            print(since(queue, steps[0].step).said)
        else:
            print(f"{arguments.apply} holds no decision: its column action is empty")
        return 0
    items = queue.items()
    if arguments.csv:
        files.write_csv(arguments.csv, COLUMNS, map(_cells, items))
        print(f"{len(items)} photos -> {arguments.csv}; fill in the column action, then --apply it")
        return 0
    table = Table(Column("photo", overflow="fold"), "label", "thinks", "why", box=None)
    for item in items[: arguments.count]:
        why = "\n".join(f"{flag.kind}: {flag.said}" for flag in item.why)
        name = item.row.file if item.row else item.id[:12]
        table.add_row(shown(name), item.label or "none of these", item.thinks or "", shown(why))
    Console().print(table)
    print(f"{min(len(items), arguments.count)} of {len(items)} photos; --csv FILE writes all, to decide on them")
    return 0


def run_pull(arguments: argparse.Namespace) -> int:
    """Bring in a feedback folder; the exit status. Raises like `studio.review.inbox.pull`."""
    album = _album()
    box = inbox.Inbox(inbox.FOLDER, album.size)
    settled = {sha256 for sha256, kind in album.journal.settled() if kind == "wrong"}
    new, problems = inbox.pull(arguments.folder, box, album.forgotten() | settled | album.journal.taken_in())
    for problem in problems:
        print(shown(problem))
    print(f"{len(new)} new pictures of {arguments.folder} wait in the queue: `python -m studio review --list`")
    return 0 if new or not problems else 1


def _album() -> Album:
    return Album(config.load("data", DataSettings), config.load("model", ModelSettings).size)


def _cells(item: Item) -> Sequence[str]:
    row = item.row
    return (
        item.id,
        row.file if row else "",
        item.label,
        item.thinks or "",
        "; ".join(f"{flag.kind}: {flag.said}" for flag in item.why),
        "; ".join(other for other in item.others if other),
        row.author if row else "",
        row.licence if row else "",
        "",
    )
