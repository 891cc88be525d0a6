"""The watcher: a background task that looks where MODEL points and takes over what is new.

A swap is: fetch, verify, load, warm up, infer the golden frames, replace one reference. Pictures in work finish with
the old model. What can't be used is not tried again at every look: it is left alone for longer and longer, unless
it changes.
"""

import asyncio
import gc
import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import bundle
from bundle.errors import BundleError, UserError
from service import log
from service.inference.model import LoadedModel, give_back
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models.source import Source, Unavailable
from service.models.workspace import Workspace

FIRST_WAIT_S: Final = 10.0  # before a model that could not be used is tried again; then twice as long each time
LONGEST_WAIT_S: Final = 600.0


class Watcher:
    """Keeps ``queue.model`` what its source says. Of the event loop's thread."""

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        queue: InferenceQueue,
        metrics: Metrics,
        *,
        variant: str | None,
        poll_s: float,
        give_up: Callable[[str], None],
    ) -> None:
        """Watch nothing yet.

        Args:
            source: where models come from.
            workspace: where their folders lie.
            queue: whose model is replaced.
            metrics: where swaps are counted.
            variant: which of a bundle's models; its default without it.
            poll_s: how often to look, in seconds.
            give_up: called with the reason where there has to be a model at the start and is none.
        """
        self.trouble = ""  # why there is no (newer) model: a name from the metrics, which tells strangers nothing
        self._source = source
        self._workspace = workspace
        self._queue = queue
        self._metrics = metrics
        self._variant = variant
        self._poll_s = poll_s
        self._give_up = give_up
        self._token: str | None = None  # of what is served
        self._said = ""  # the last complaint
        self._failed: tuple[str, float, float] = (
            "",
            0.0,
            0.0,
        )  # token, how long it is left alone, until when

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            token: str | None = None
            try:
                token = await asyncio.to_thread(self._source.look)
                await self._take(token)
            except Unavailable as error:
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
            await asyncio.sleep(self._poll_s)

    async def _take(self, token: str) -> None:
        failed, _, until = self._failed
        if token == self._token:
            self._well()
        elif token != failed or time.monotonic() >= until:
            folder = await asyncio.to_thread(self._source.fetch, token)
            try:
                await self._swap(folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._token = token
            self._well()
            await asyncio.to_thread(self._source.taken, token)

    async def _swap(self, folder: Path) -> None:
        old = self._queue.model
        manifest = await asyncio.to_thread((folder / bundle.MANIFEST).read_bytes)
        if old is not None and hashlib.sha256(manifest).hexdigest() == old.manifest_hash:
            await asyncio.to_thread(shutil.rmtree, folder)  # the very model that is served, put there again
            return
        try:
            new = await asyncio.to_thread(LoadedModel.load, folder, self._variant, self._queue.threads)
        except MemoryError as error:
            raise UserError("there is not enough memory to load it") from error
        except BundleError as error:  # whole, and can't be used here
            raise UserError(str(error)) from error
        self._queue.model = new
        self._note(old, new)
        if old is None:
            gc.freeze()  # what is there now stays; the collector need not walk it again
        before = [] if old is None else [old.bundle.folder]  # files of it may be on their way to a client
        del old
        self._workspace.keep_only(new.bundle.folder, *before)
        await asyncio.to_thread(give_back)

    def _note(self, old: LoadedModel | None, new: LoadedModel) -> None:
        variant = new.engine.variant
        if old is not None:
            self._metrics.model.remove(old.version, old.engine.variant)
        self._metrics.model.labels(new.version, variant).set(1)
        self._metrics.created.set(new.bundle.manifest.created.timestamp())
        self._metrics.loaded.set(new.loaded)
        self._metrics.swaps.labels("taken").inc()
        log.event(logging.INFO, "model taken over", model=new.version, variant=variant)

    def _well(self) -> None:
        self.trouble = self._said = ""
        self._failed = ("", 0.0, 0.0)

    def _complain(self, outcome: str, why: str, token: str | None) -> None:
        """Say each trouble once, not at every look, and leave a model that failed alone for a while."""
        if token is not None:
            failed, waited, _ = self._failed
            wait = min(LONGEST_WAIT_S, 2 * waited) if failed == token else FIRST_WAIT_S
            self._failed = (token, wait, time.monotonic() + wait)
        self.trouble = outcome
        if why == self._said:
            return
        self._said = why
        self._metrics.swaps.labels(outcome).inc()
        served = self._queue.model.version if self._queue.model else None
        log.event(logging.ERROR, "no new model", outcome=outcome, why=why, model=served)
        if served is None and self._source.must_exist:
            self._give_up(why)
