"""The watcher: a background task that looks where MODEL points and takes over what is new.

A swap is: fetch, verify, load, warm up, infer the golden frames, replace one reference. Pictures in work finish with
the old model. What can't be used is not tried again at every look: it is left alone for longer and longer, unless
it changes.
"""

import asyncio
import gc
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import bundle
from bundle import engine
from bundle.engine import Engine
from bundle.errors import BundleError, UserError
from service import budget, log
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models.source import Source, Tainted, Unavailable
from service.models.workspace import Workspace
from service.settings import Settings

FIRST_WAIT_S: Final = 1.0  # before a model that could not be used is tried again; then twice as long each time
LONGEST_WAIT_S: Final = 600.0


class Watcher:
    """Keeps ``queue.model`` what its source says. Of the event loop's thread."""

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        queue: InferenceQueue,
        metrics: Metrics,
        settings: Settings,
        give_up: Callable[[str], None],
    ) -> None:
        """Watch nothing yet; ``give_up`` is told why where there has to be a model at the start and is none."""
        self.trouble = ""  # why there is no (newer) model: a name from the metrics, which tells strangers nothing
        self._source = source
        self._workspace = workspace
        self._queue = queue
        self._metrics = metrics
        self._settings = settings
        self._give_up = give_up
        self._token: str | None = None  # of what is served
        self._said = ""  # the last complaint
        self._failed: str | None = None  # a token that is left alone for a while
        self._wait_s, self._until = 0.0, 0.0
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            token: str | None = None
            try:
                token = await asyncio.to_thread(self._source.look)
                if token == self._token:
                    self._well()
                elif token != self._failed or time.monotonic() >= self._until:
                    await self._take(token)
            except Unavailable as error:
                if isinstance(error, Tainted):
                    self._drop()
                self._complain(error.outcome, str(error), token)
            except BundleError as error:
                self._complain("damaged", str(error), token)
            except UserError as error:
                self._complain("refused", str(error), token)
            except OSError as error:
                why = f"{error.filename}: {error.strerror}; check space and permissions"
                self._complain("unwritable", why, token)
            except Exception as error:  # noqa: BLE001  # whatever it is, what is served goes on and the next look comes
                log.LOGGER.exception("a new model can't be taken over")
                self._complain("refused", f"{type(error).__name__}: {error}", token)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._settings.poll_s)
            self._woken.clear()

    def look_now(self) -> None:
        """Look before it is due: whoever calls has just changed what the source gives."""
        self._until = 0.0
        self._woken.set()

    async def _take(self, token: str) -> None:
        folder = self._workspace.new()
        old = self._queue.model
        try:
            new = await asyncio.to_thread(self._load, token, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._token = token
        self._well()
        if new is not old:
            self._swap(old, new)
        served = [model.bundle.folder for model in (old, new) if model]  # of the old, files may be on their way
        del old, new
        await asyncio.to_thread(self._source.taken, token, folder)
        self._workspace.keep_only(*served)
        await asyncio.to_thread(budget.give_back)

    def _load(self, token: str, folder: Path) -> Engine:
        self._source.fetch(token, folder)
        try:
            found = bundle.load(folder)
        except BundleError as error:
            raise BundleError(str(error).replace(str(folder), self._settings.model)) from error
        old = self._queue.model
        if old is not None and found.manifest == old.bundle.manifest:
            return old  # the very model that is served, put there again
        try:
            new = engine.load(found, self._settings.variant, self._queue.threads)
            budget.give_back()  # before it is served beside the old one
            return new
        except MemoryError as error:
            raise UserError("there is not enough memory to load it") from error
        except BundleError as error:  # whole, and can't be used here
            raise UserError(str(error).replace(str(folder), self._settings.model)) from error

    def _swap(self, old: Engine | None, new: Engine) -> None:
        self._queue.model = new
        if old is None:
            gc.freeze()  # what is there now stays; the collector need not walk it again
        else:
            self._metrics.model.remove(old.version, old.runs)
        self._metrics.model.labels(new.version, new.runs).set(1)
        self._metrics.created.set(new.bundle.manifest.created.timestamp())
        self._metrics.loaded.set(time.time())
        self._metrics.swaps.labels("taken").inc()
        log.event(logging.INFO, "model taken over", model=new.version, variant=new.runs)

    def _drop(self) -> None:
        """Serve nothing any more; pictures in work finish."""
        if (old := self._queue.model) is not None:
            self._queue.model = self._token = None
            self._metrics.model.remove(old.version, old.runs)
            log.event(logging.WARNING, "model taken out", model=old.version)

    def _well(self) -> None:
        self.trouble = self._said = ""
        self._failed = None

    def _complain(self, outcome: str, why: str, token: str | None) -> None:
        """Say each trouble once, not at every look, and leave a model that failed alone for a while."""
        if token is not None:
            self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s) if token == self._failed else FIRST_WAIT_S
            self._failed, self._until = token, time.monotonic() + self._wait_s
        self.trouble = outcome
        if why == self._said:
            return
        self._said = why
        self._metrics.swaps.labels(outcome).inc()
        served = self._queue.model.version if self._queue.model else None
        log.event(logging.ERROR, "no new model", outcome=outcome, why=why, model=served)
        if served is None and self._source.must_exist and outcome != Tainted.outcome:
            self._give_up(why)
