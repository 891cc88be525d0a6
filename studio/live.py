"""The studio while it runs: photos, draft and job of one checkout, changed in line and seen by every tab.

Of the event loop's thread; what computes or writes runs in threads, one change at a time.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import bundle
from bundle.errors import BundleError
from pipeline.core.errors import PipelineError
from pipeline.data.settings import DataSettings
from pipeline.data.split import SIDES, SplitRow
from pipeline.promote import history
from studio import draft, dvc, keep, measure
from studio.album import Album
from studio.draft import Base, Draft
from studio.errors import BusyError, StudioError
from studio.journal import Step
from studio.keep import Job
from studio.photos import Collection

PROMOTED = Path("models/promoted")
MOST_STEPS = 100  # in the strip
LOOK_S = 2.0  # how often to look whether someone else has changed the photos or the promoted model
RUNS = "the pipeline runs on the photos; wait until it is done, or cancel it"
T = TypeVar("T")


class Studio:
    """See the module."""

    def __init__(self, data: DataSettings, rejected: float, promoted: Path = PROMOTED) -> None:
        """Nothing is read yet.

        Args:
            data: where the photos lie.
            rejected: see `studio.draft.Base`.
            promoted: the bundle of the promoted model.
        """
        self.data, self.promoted = data, promoted
        self.album: Album
        self.seq = 1
        self._rejected = rejected
        self._changed = asyncio.Event()
        self._line = asyncio.Lock()  # of those who change something
        self._again = asyncio.Event()  # the photos are others now
        self._collection = Collection(data)
        self._base: Base | None = None
        self._rows: list[SplitRow] = []
        self._learnt: list[SplitRow] = []  # by the draft
        self._draft: Draft | None = None
        self._measured: measure.Measure | None = None
        self._why_no_draft = ""
        self._busy = ""
        self._author = ""
        self._model = ""
        self._job: Job | None = None
        self._running: tuple[dvc.Run, asyncio.Task[None]] | None = None
        self._look_now: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def open(self, look_now: Callable[[], None]) -> AsyncIterator[None]:
        """Bring what was interrupted to its end, then follow the photos until the block ends.

        Args:
            look_now: called when another model is there to be served.

        Raises:
            PipelineError: photos or journal can't be used.
        """
        self._look_now = look_now
        size = bundle.load_manifest(self.promoted).input.size
        self.album = await asyncio.to_thread(Album, self.data, size)
        self._job = await asyncio.to_thread(keep.last)
        taught = [step.author for step in self.album.journal.steps.values() if step.author]
        self._author = taught[-1] if taught else await asyncio.to_thread(history.git_user)  # else the page asks
        self._again.set()
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if self._running:
                self._running[0].cancel()
                await asyncio.wait([self._running[1]])

    async def teach(self, label: str, author: str, frames: Sequence[bytes]) -> Step:
        """Keep the frames of one burst; see `Album.teach`. The draft follows by itself."""
        step = await self.change(lambda: self.album.teach(label, frames, author or self._author))
        self._author = step.author
        return step

    async def undo(self, step: int, only: Iterable[str] = ()) -> Step:
        """Take a step back; a keep by rolling the promoted model back. See `Album.undo`."""
        done = self.album.journal.steps.get(step)
        if done is None or done.kind != "keep":
            return await self.change(lambda: self.album.undo(step, only))
        if not self._can_roll_back(step):
            raise StudioError(f"step {step} can't be taken back: the promoted model does not come from it (any more)")
        return await self.change(lambda: self._roll_back(step))

    async def change(self, what: Callable[[], T]) -> T:
        """Change the photos in a thread, in line with the others; the draft follows.

        Raises:
            BusyError: the pipeline runs, or another program works on the photos.
            StudioError, PipelineError: as ``what`` raises; nothing has changed then.
        """
        async with self._line:
            await self._check_free()
            try:
                return await asyncio.to_thread(what)
            finally:
                self._again.set()
                self.bump()

    async def keep(self) -> Job:
        """Begin to run the pipeline.

        Raises:
            BusyError: it runs already, or another program works on the photos.
            StudioError: a label was shown too few times.
        """
        async with self._line:
            await self._check_free()
            self._rows = await asyncio.to_thread(self._see)
            self._check_sittings()
            step = await asyncio.to_thread(self.album.journal.append_keep)
            self._job = job = Job(step.step)
            await asyncio.to_thread(job.write)
            current = dvc.Run()
            self._running = current, asyncio.create_task(self._run(job, current))
            self.bump()
            return job

    def cancel(self) -> None:
        """End the run, if there is one."""
        if self._running:
            self._running[0].cancel()

    def serves(self, model: str) -> None:
        """``model`` is the version that answers now: another one than before is a change like any other."""
        if model != self._model:
            self._model = model
            self.bump()

    def bump(self) -> None:
        """Something has changed: tell who waits."""
        self.seq += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, seconds: float) -> None:
        """Wait for the next change, ``seconds`` at most."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        journal = self.album.journal
        shown = sorted(journal.steps)[: -MOST_STEPS - 1 : -1]
        return {
            "seq": self.seq,
            "labels": self._labels(),
            "author": self._author,
            "model": self._model,
            "draft": self._shown_draft(),
            "why_no_draft": self._why_no_draft,
            "steps": [self._shown_step(journal.steps[number]) for number in shown],
            "busy": self._busy,
            "job": asdict(self._job) if self._job else None,
        }

    async def _run(self, job: Job, current: dvc.Run) -> None:
        try:
            await keep.run(job, current, self.bump)
        finally:
            self._running = None
            self._again.set()
            self.bump()

    async def _follow(self) -> None:
        """Make a draft whenever the photos are others; it is measured beside that, as the next one has not to wait."""
        measuring: asyncio.Task[None] | None = None
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                self._rows = await asyncio.to_thread(self._see)
                self.bump()  # labels and numbers are shown before the draft is made
                await asyncio.to_thread(self._fit)
                self._why_no_draft = ""
            except (PipelineError, StudioError, BundleError) as error:
                self._why_no_draft = str(error)
            self._look_now()
            self.bump()
            if self._draft and not self._measured and (measuring is None or measuring.done()):
                measuring = asyncio.create_task(self._measure())

    async def _measure(self) -> None:
        while (made := self._draft) and not self._measured:
            found = await asyncio.to_thread(self._compare, made, self._rows)
            if made is self._draft:
                self._measured = found
                self.bump()

    def _see(self) -> list[SplitRow]:
        """The photos as they are, and the model that is promoted."""
        promoted = bundle.load(self.promoted)
        if self._base is None or self._base.manifest != promoted.manifest:
            self._base, self._draft = Base(promoted, self._rejected), None
        return self._collection.rows(self._base.split)

    def _fit(self) -> None:
        """Make a draft of the photos where it did not learn these, and none where there is nothing new."""
        assert self._base is not None
        if self._base.knows(self._rows):
            draft.remove()
            self._draft = self._measured = None
            self._base.lesson(self._rows, self.data)  # what is not seen yet is seen before the first burst comes
        elif self._draft is None or self._rows != self._learnt:
            self._draft, self._measured = self._base.draft(self._rows, self.data), None
            self._learnt = self._rows

    def _compare(self, made: Draft, rows: Sequence[SplitRow]) -> measure.Measure:
        assert self._base is not None
        before = self._base.judge(made.lesson, as_before=True)
        return measure.measure(rows, made.judged, before, self.data.ood_label)

    async def _watch(self) -> None:
        """Photos may be edited and `dvc repro` be run by hand meanwhile."""
        seen = None
        while True:
            now = await asyncio.to_thread(self._stamp)
            if seen not in (None, now) and not self._running:
                self._again.set()
            seen = now
            if (busy := "" if self._running else await asyncio.to_thread(dvc.busy)) != self._busy:
                self._busy = busy
                self._again.set()
                self.bump()
            await asyncio.sleep(LOOK_S)

    def _stamp(self) -> list[int]:
        places = self.data.manifest, self.promoted / bundle.MANIFEST
        return [place.stat().st_mtime_ns if place.exists() else 0 for place in places]

    def _labels(self) -> list[dict[str, Any]]:
        found: dict[str, list[str]] = {self.data.ood_label: []}
        for row in self._rows:
            found.setdefault(row.label, []).append(row.group)
        return [
            {"name": name, "photos": len(groups), "sittings": len(set(groups)), "none": name == self.data.ood_label}
            for name, groups in sorted(found.items(), key=lambda each: (each[0] == self.data.ood_label, each[0]))
        ]

    def _shown_draft(self) -> dict[str, Any] | None:
        if self._draft is None or self._base is None:
            return None
        known = self._base.known
        now = {row.sha256: row.label for row in self._rows}
        return {
            "version": self._draft.version,
            "photos": len(now),
            "new": sum(known.get(sha256) != label for sha256, label in now.items()),
            "gone": len(known.keys() - now.keys()),
            "measured": asdict(self._measured) if self._measured else None,
        }

    def _shown_step(self, step: Step) -> dict[str, Any]:
        journal = self.album.journal
        standing = journal.standing(step.step)
        is_keep = step.kind == "keep"
        return {
            "step": step.step,
            "at": step.at.isoformat(),
            "kind": step.kind,
            "label": step.label,
            "photos": step.photos,
            "files": list(standing),
            "said": journal.said(step.step),
            "undoable": self._can_roll_back(step.step) if is_keep else bool(standing) and step.kind != "forget",
            "undone": bool(step.photos) and not standing,
        }

    async def _check_free(self) -> None:
        """Neither Keep nor another program works on the photos."""
        if self._running:
            raise BusyError(RUNS)
        if why := await asyncio.to_thread(dvc.busy):
            raise BusyError(why)

    def _check_sittings(self) -> None:
        """What the pipeline would say after half a minute is said at once."""
        for label in self._labels():
            if (lack := len(SIDES) - label["sittings"]) > 0 and not label["none"]:
                raise StudioError(
                    f"{label['name']} was shown {_times(label['sittings'])}; learning, choosing and measuring "
                    f"need {len(SIDES)} sittings: show it {_times(lack)} more, somewhere else, or undo it"
                )

    def _can_roll_back(self, step: int) -> bool:
        """Whether a keep made the present champion, and there was one before it."""
        job = self._job
        if job is None or (job.id, job.outcome) != (step, "promoted"):
            return False
        promoted = bundle.load_manifest(self.promoted)
        return job.model == promoted.version and promoted.lineage.parent is not None

    def _roll_back(self, step: int) -> Step:
        # A process of its own, as it needs MLflow, which the studio has no use for.
        command = [sys.executable, "-m", "pipeline.promote", "rollback", "--why", f"step {step} undone in the page"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StudioError(done.stderr.strip().removeprefix("error: ") or "the rollback ended without a word")
        return self.album.journal.append_rollback(step, bundle.load_manifest(self.promoted).version)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
