"""The album: photos come into data/images, change and leave, with their rows in the manifest and a step in the journal.

Every step is a list of changes of rows (`studio.journal.Change`), and one way carries them all out: photos that come
are copied in, the manifest is written, photos that leave are moved to a folder of removed ones. So an undo of any step
is a step too: the changes that still hold, the other way round.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.errors import StorageError
from pipeline.data import forgotten
from pipeline.data.manifest import OWN, Row, normal, why_illegal
from pipeline.data.settings import DataSettings
from studio.burst import different
from studio.errors import NotFoundError, StudioError
from studio.journal import NAME, Change, Journal, Kind, Settled, Step
from studio.store import Store, names_of

STAGING = Path(".studio/staging")
MOST_FRAMES = 1000  # of one burst
LICENCE = "own"

Coming = Sequence[tuple[Row, bytes]]  # photos that are taken in: their rows and files


class Album:
    """The photos of ``data``, which one process changes at a time."""

    def __init__(self, data: DataSettings, size: int, staging: Path = STAGING) -> None:
        """Bring a step that was interrupted to its end.

        Args:
            data: where the photos and their manifest lie.
            size: pixels a side of the model's frame; smaller pictures are refused.
            staging: where photos wait until their step is written; on the same disk as ``data``. Photos that leave lie
                in ``removed`` beside it, named after the sha256 of their bytes.

        Raises:
            DataError: the manifest or the journal is damaged. StorageError: nothing can be written.
        """
        self.data, self.size = data, size
        self.store = Store(data, staging)
        self.journal = Journal(data.images.parent / NAME)
        self._finish()
        self.store.clear()

    def rows(self) -> list[Row]:
        """The manifest."""
        return self.store.rows()

    def labels(self) -> dict[str, int]:
        """Number of photos by label, the label of none of them among them."""
        found: dict[str, int] = {}
        for row in self.rows():
            found[row.label] = found.get(row.label, 0) + 1
        return found

    def forgotten(self) -> frozenset[str]:
        """Hashes of the photos that were forgotten on request; raises DataError where the receipts are damaged."""
        return forgotten.hashes(self.data)

    def teach(self, label: str, frames: Sequence[bytes], author: str) -> Step:
        """Keep the frames of one burst as photos of ``label``; near-identical ones count once.

        Args:
            label: an old one, or a new one.
            frames: JPEG, PNG or WebP files, in the order in which they were taken.
            author: who took them.

        Returns:
            The step; its ``sent`` says which of the frames each photo is.

        Raises:
            StudioError: the label or a frame can't be used; nothing was kept.
            StorageError: the disk is full; nothing was kept.
        """
        label = self.usable(label)
        if not author.strip():
            raise StudioError("say who takes the photos: git knows no user.name here, so give an author")
        if not 1 <= len(frames) <= MOST_FRAMES:
            raise StudioError(f"{len(frames)} frames; hold the button for 1 to {MOST_FRAMES} of them")
        sent = different(frames, self.size)
        number, at = self.journal.next, datetime.now(UTC)
        burst = f"{at:%Y%m%d-%H%M%S}-{number}"
        rows = [
            Row(
                file=f"{label}/{burst}-{i:03}.jpg",
                label=label,
                group=f"burst:{burst}",
                kind="captured",
                source_package=OWN,
                source_version="",
                source_path=f"{label}/{burst}-{i:03}.jpg",
                author=author,
                licence=LICENCE,
                sha256_of_source=hashlib.sha256(frames[index]).hexdigest(),
                notes=f"taken {at.isoformat(timespec='seconds')}",
            )
            for i, index in enumerate(sent, start=1)
        ]
        coming = [(row, frames[index]) for row, index in zip(rows, sent, strict=True)]
        return self.edit("teach", (), coming=coming, label=label, author=author, sent=tuple(sent))

    def relabel(self, names: Iterable[str], label: str, coming: Coming = ()) -> Step:
        """Move photos to another label, old or new, and take in those that are ``coming``; raises like `edit`."""
        label = self.usable(label)
        taken = names_of(self.rows())

        def moved(row: Row) -> Row:
            if row.label == label:
                return row
            return replace(row, label=label, file=self.store.free(f"{label}/{row.file.split('/', 1)[1]}", taken))

        return self.edit("relabel", names, moved, coming, label=label)

    def remove(self, names: Iterable[str], why: str = "", settled: Mapping[str, Iterable[str]] | None = None) -> Step:
        """Let photos leave, and settle flags of others as `settle` does; raises like `edit`."""
        return self.edit("remove", names, lambda _: None, why=why, settled=_settled(settled or {}))

    def group(self, names: Iterable[str]) -> Step:
        """Put photos of one sitting into one group, so that they stay on one side of a split; raises like `edit`."""
        group = f"sitting:{self.journal.next}"
        return self.edit("group", names, lambda row: replace(row, group=group))

    def describe(self, names: Iterable[str], author: str = "", licence: str = "") -> Step:
        """Fill in who took photos and under which licence they come; what is empty stays. Raises like `edit`."""
        if not (author.strip() or licence.strip()):
            raise StudioError("give an author or a licence")
        return self.edit(
            "describe",
            names,
            lambda row: replace(row, author=author.strip() or row.author, licence=licence.strip() or row.licence),
        )

    def settle(self, kinds: Mapping[str, Iterable[str]]) -> Step:
        """Note that flags are wrong: kinds of flags by the hash of a picture. They are never raised again.

        Raises:
            StudioError: no flag is given. StorageError: the disk is full; nothing has changed.
        """
        return self.edit("settle", (), settled=_settled(kinds))

    def edit(
        self,
        kind: Kind,
        names: Iterable[str],
        change: Callable[[Row], Row | None] = lambda row: row,
        coming: Coming = (),
        **facts: Any,
    ) -> Step:
        """Do a step of any kind.

        Args:
            kind: what it is.
            names: files of the photos that it changes.
            change: takes the row of each and returns the new one, or None for a photo that leaves.
            coming: rows and bytes of photos that are taken in.
            facts: other fields of the step.

        Raises:
            NotFoundError: a file is not there. StudioError: nothing would change, or a photo was forgotten.
            StorageError: the disk is full; nothing has changed.
        """
        chosen = list(dict.fromkeys(names))
        at = {row.file: (index, row) for index, row in enumerate(self.rows())}
        numbers = iter(self.journal.numbers([*chosen, *(row.file for row, _ in coming)]))
        changes = []
        for name in chosen:
            if name not in at:
                raise NotFoundError(f"{name} is not among the photos (any more); load the page again")
            (place, row), photo = at[name], next(numbers)
            if (after := change(row)) != row:
                sha256 = self.store.sha256(name)
                changes.append(Change(photo=photo, sha256=sha256, before=row, after=after, place=place))
        if not changes and not coming and not facts.get("settled"):
            raise StudioError("nothing would change: the photos are so already" if chosen else "no photo is chosen")
        forgotten = self.forgotten()
        try:
            for number, (row, data) in enumerate(coming, start=1):
                sha256 = hashlib.sha256(data).hexdigest()
                if sha256 in forgotten:
                    raise StudioError(f"picture {number} was forgotten on request and can't come back; leave it out")
                self.store.stage(sha256, data)
                changes.append(Change(photo=next(numbers), sha256=sha256, after=row))
            return self._do(kind, changes, **facts)
        finally:
            self.store.clear()

    def undo(self, step: int, only: Iterable[str] = ()) -> Step:
        """Take back a step, an undo too: what still holds of it, or ``only`` that of some files.

        A later step that changed the same photo wins: what it did stays, and ``why`` of the new step says so.

        Raises:
            NotFoundError: no such step, or nothing of it is left to be undone.
            StorageError: the disk is full; nothing has changed.
        """
        done = self.journal.steps.get(step)
        if not done:
            raise NotFoundError(f"there is no step {step}")
        wanted, rows, forgotten = set(only), self.rows(), self.forgotten()
        at = {row.file: (index, row) for index, row in enumerate(rows)}
        taken, holding = names_of(rows), {change.photo for change in self.journal.changes(step)}
        changes, stays = [], Counter[str]()
        for change in done.changes:
            now = self.journal.rows[change.photo]
            names = {row.file for row in (now, change.before, change.after) if row}
            if (wanted and not wanted & names) or not self.journal.stands(done, change.photo):
                continue
            if change.sha256 in forgotten:
                stays["forgotten"] += 1
            elif change.photo not in holding:
                stays["changed by later steps"] += 1
            elif now and now.file in at:
                place, row = at[now.file]
                after, sha = self._restored(change, row, taken), self.store.sha256(row.file)
                if after == row:
                    stays["changed by hand"] += 1
                    continue
                changes.append(Change(photo=change.photo, sha256=sha, before=row, after=after, place=place))
            elif change.before and not now and self.store.is_kept(change.sha256):
                row = replace(change.before, file=self.store.free(change.before.file, taken))
                changes.append(Change(photo=change.photo, sha256=change.sha256, after=row, place=change.place))
            else:
                stays["not there any more"] += 1
        settled = tuple(
            each
            for each in done.settled
            if self.journal.stands(done, each.sha256) and (not wanted or each.sha256 in wanted)
        )
        why = "not undone: " + ", ".join(f"{number} {what}" for what, number in stays.items()) if stays else ""
        if not changes and not settled:
            raise NotFoundError(f"nothing of step {step} is left to be undone" + f" ({why})" * bool(why))
        return self._do("undo", changes, of=step, why=why, settled=settled)

    def _do(self, kind: Kind, changes: Sequence[Change] = (), **facts: Any) -> Step:
        self._finish()
        step = Step(step=self.journal.next, at=datetime.now(UTC), kind=kind, changes=tuple(changes), **facts)
        self.journal.append(step)
        try:
            if changes:
                self.store.bring(changes)
        except StorageError:
            self.journal.take_back()
            raise
        self.store.carry_away(changes)
        self.journal.finish(step)
        return step

    def _finish(self) -> None:
        """Carry out what a crash, or a full disk, has left unfinished: the last step at most."""
        for step in self.journal.unfinished():
            if step.changes:
                self.store.bring(step.changes)
                self.store.carry_away(step.changes)
            self.journal.finish(step)

    def _restored(self, change: Change, row: Row, taken: set[str]) -> Row | None:
        """The row without what ``change`` did to it, where no later step has changed the same; None where it came."""
        if change.before is None or change.after is None:
            return None
        back = {
            name: getattr(change.before, name)
            for name in change.changed
            if getattr(row, name) == getattr(change.after, name)
        }
        if "file" in back:
            back["file"] = self.store.free(back["file"], taken)
        return replace(row, **back)

    def usable(self, name: str) -> str:
        """The name of a label as it is spelt here.

        Raises:
            StudioError: it can't be used, or another label has it but for upper and lower case.
        """
        name = normal(name.strip())
        if why := why_illegal(name):
            raise StudioError(f"the label {name!r} can't be used: {why}")
        for other in self.labels():
            if other != name and other.casefold() == name.casefold():
                raise StudioError(f"there is a label {other!r} already; take it, or another name than {name!r}")
        return name


def _settled(kinds: Mapping[str, Iterable[str]]) -> tuple[Settled, ...]:
    return tuple(Settled(sha256=sha, kinds=tuple(sorted(each))) for sha, each in kinds.items())
