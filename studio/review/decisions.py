"""Decisions: what a person says of items of the queue, each a step of the journal that can be undone."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from pipeline.core.errors import DataError
from pipeline.data.adoption import AUTHOR, LICENCE
from pipeline.data.manifest import OWN, Row
from studio import album as photos
from studio.album import Coming
from studio.errors import StudioError
from studio.journal import Step
from studio.review.inbox import Sent
from studio.review.queue import Item, Queue

Action = Literal["keep", "relabel", "remove", "merge", "group", "describe"]
NEEDS_LABEL = "has been sent in and is no photo yet; relabel it first, or remove it"


@dataclass(frozen=True)
class Decision:
    """An action and what it needs."""

    action: Action
    label: str = ""  # of relabel; "" for what was said of a picture that was sent in
    author: str = ""  # of describe
    licence: str = ""  # of describe
    why: str = ""  # of remove


def decide(queue: Queue, ids: Sequence[str], decision: Decision) -> Step:
    """Carry out a decision on many items as one step.

    Args:
        queue: where they stand, or stood.
        ids: sha256 of each photo, or picture that was sent in.
        decision: what to do.

    Raises:
        NotFoundError: an item is not there any more. StudioError: it can't be done; nothing has changed.
        StorageError: the disk is full; nothing has changed.
    """
    return prepare(queue, ids, decision)()


def prepare(queue: Queue, ids: Sequence[str], decision: Decision) -> Callable[[], Step]:
    """See whether a decision can be carried out, and give what does; raises like `decide`."""
    waiting = {each.sha256: each for each in queue.waiting()}
    sent = [waiting[each] for each in dict.fromkeys(ids) if each in waiting]
    names = {each: queue.file(each) for each in dict.fromkeys(ids) if each not in waiting}
    files, album = [*names.values()], queue.album
    if not ids:
        raise StudioError("no photo is chosen")
    if sent and decision.action in ("merge", "group", "describe"):
        raise StudioError(f"the picture {sent[0].sha256[:12]} {NEEDS_LABEL}")
    match decision.action:
        case "keep":
            items = {item.id: item for item in queue.items()}
            kinds = {each: {flag.kind for flag in items[each].why} for each in ids if each in items}
            if not kinds:
                raise StudioError("nothing is said against the photo; there is no flag to settle")
            return lambda: album.settle(kinds)
        case "relabel":
            label = album.usable(_label(sent, files, decision, album.data.ood_label))
            if not sent and all(queue.looked().manifest[file].label == label for file in files):
                raise StudioError(f"{files[0]} is labelled {label} already")
            coming = _coming(queue, sent, label)
            return lambda: album.relabel(files, label, coming)
        case "remove":
            return lambda: album.remove(files, decision.why, {each.sha256: ["wrong"] for each in sent})
        case "merge":
            leaving = _leaving(queue.items(), names)
            return lambda: album.remove(leaving, decision.why or "another photo shows the same")
        case "group":
            if len(files) == 1:  # with the one that it is a duplicate of
                files += _partners(queue.items(), names).values()
            if len(files) < 2:
                raise StudioError("choose two photos of one sitting at least")
            return lambda: album.group(files)
        case "describe":
            if not (decision.author.strip() or decision.licence.strip()):
                raise StudioError("give an author or a licence")
            return lambda: album.describe(files, decision.author, decision.licence)


def apply(queue: Queue, path: Path) -> list[Step]:
    """Carry out the decisions of a CSV file, all or none; equal ones are one step.

    Its columns are ``sha256`` or ``file``, ``action`` (a row without one is passed over), and what the action needs:
    ``label``, ``author``, ``licence``, ``why``. A row of ``python -m studio review --list --csv FILE`` is one.

    Raises:
        DataError: a row can't be carried out: a sentence for each; nothing has changed.
        StorageError: the disk is full; nothing has changed.
    """
    hashes = {file: sha256 for sha256, file in queue.looked().files.items()}
    chosen: dict[Decision, list[tuple[int, str]]] = {}
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(_rows(path), start=2):
        if not (action := row.get("action", "").strip()):
            continue
        name = row.get("sha256", "").strip() or row.get("file", "").strip()
        item = hashes.get(name, name)
        if action not in get_args(Action):
            problems.append(f"row {number}: {action!r} is none of {', '.join(get_args(Action))}")
        elif item in seen:
            problems.append(f"row {number}: {name} has a decision already, in row {seen[item]}; leave one of them")
        else:
            needs = {"relabel": ["label"], "describe": ["author", "licence"], "remove": ["why"]}.get(action, [])
            decision = Decision(cast(Action, action), **{key: (row.get(key) or "").strip() for key in needs})
            chosen.setdefault(decision, []).append((number, item))
            seen[item] = number
    ready = []
    for decision, items in chosen.items():
        try:
            ready.append(prepare(queue, [item for _, item in items], decision))
        except StudioError:
            problems += _each(queue, decision, items)
    if problems:
        raise DataError(
            f"{path} can't be applied; nothing has changed:\n" + "\n".join(f"  {each}" for each in problems)
        )
    done: list[Step] = []
    try:
        done += (carry_out() for carry_out in ready)
    except Exception:
        for step in reversed(done):
            queue.album.undo(step.step)
        raise
    return done


def _each(queue: Queue, decision: Decision, items: Sequence[tuple[int, str]]) -> list[str]:
    """What is wrong with each of the rows of a decision, or with all of them together."""
    problems = []
    for number, item in items:
        try:
            prepare(queue, [item], decision)
        except StudioError as error:
            problems.append(f"row {number}: {error}")
    return problems or [f"rows {', '.join(str(number) for number, _ in items)}: they can't be decided together"]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            columns = {*(reader.fieldnames or ())}
            rows = list(reader)
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV in UTF-8 ({error}); export it again, comma-separated") from error
    if "action" not in columns or not columns & {"sha256", "file"}:
        raise DataError(f"{path} needs the columns action, and sha256 or file")
    return rows


def _label(sent: Sequence[Sent], files: Sequence[str], decision: Decision, ood_label: str) -> str:
    """The label that is given, or that which was said of all the pictures that were sent in."""
    said = {each.label or ood_label for each in sent}
    if decision.label or (len(said) == 1 and not files):
        return decision.label or next(iter(said))
    raise StudioError("say which label the photos should have")


def _coming(queue: Queue, sent: Sequence[Sent], label: str) -> Coming:
    """Rows and files of pictures that become photos."""
    return [
        (
            Row(
                file=f"{label}/{each.at:%Y%m%d-%H%M%S}-{each.sha256[:12]}.jpg",
                label=label,
                group=each.group,
                kind="captured",
                source_package=OWN,
                source_version="",
                source_path="",
                author=each.author or AUTHOR,
                licence=photos.LICENCE if each.author else LICENCE,
                sha256_of_source=each.sha256,
                notes=f"sent in {each.at.isoformat(timespec='seconds')}: model {each.model} "
                f"said {each.answer or 'none of these'} ({each.score:.0%})",
            ),
            queue.inbox.picture(each.sha256),
        )
        for each in sent
    ]


def _leaving(items: Sequence[Item], names: dict[str, str]) -> list[str]:
    """Files that leave so that one of each set of duplicates stays: one that was not chosen, or else the first."""
    chosen = [*names.values()]
    sets: dict[str, set[str]] = {}
    for one, other in [*_partners(items, names).items(), *((file, file) for file in chosen)]:
        merged = sets.get(one, {one}) | sets.get(other, {other})
        sets |= dict.fromkeys(merged, merged)
    leaving = []
    for alike in {id(each): each for each in sets.values()}.values():
        own = [file for file in chosen if file in alike]
        if len(alike) < 2:
            raise StudioError(f"{own[0]} is no duplicate of another photo; choose all that show the same")
        leaving += own if alike - set(own) else own[1:]
    return leaving


def _partners(items: Sequence[Item], names: dict[str, str]) -> dict[str, str]:
    """The photo that each of the chosen ones is a near duplicate of, by its file."""
    return {
        item.row.file: other
        for item in items
        if item.row and item.id in names
        for flag, other in zip(item.why, item.others, strict=True)
        if flag.kind == "near-duplicate" and other
    }
