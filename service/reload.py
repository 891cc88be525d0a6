"""The watcher: a process that looks where MODEL points, and brings what is new to the supervisor.

What it brings is a folder that nobody else writes to, with every file verified: a copy of a served folder (which
may be replaced or damaged at any time), or a bundle from the registry in the cache. The supervisor has the
workers try it and says what came of it.
"""

import hashlib
import logging
import select
import shutil
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import bundle
from bundle import Bundle
from bundle.errors import BundleError, UserError
from service import log
from service.channel import Channel, Message, PeerGone
from service.registry import Registry, RegistryError, Version
from service.settings import Settings

SETTLE_S: Final = 0.2  # a folder that changes is left alone until it was quiet for so long
SETTLE_TRIES: Final = 25
REFUSED_FOR_S: Final = 60.0  # a model that workers refused is not tried again sooner, unless it changes
DAMAGED: Final = "damaged"


Found = tuple[str, Bundle | None]


class Source(ABC):
    """Where models come from."""

    @abstractmethod
    def find(self, known: str | None) -> Found | None:
        """What is there: the model (not for ``known``) and its token; None where nothing changed since last time.

        Raises:
            UserError, OSError: it can't be had.
        """

    def again(self) -> None:  # noqa: B027  # most need do nothing
        """Let the next `find` look, also where nothing changed."""

    @abstractmethod
    def taken(self, token: str, before: str | None) -> None:
        """It is served now."""


class Folder(Source):
    """A folder, which somebody replaces now and then."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self._folder = folder
        self._copies = copies  # an empty folder of our own
        self._seen: Any = None

    def find(self, known: str | None) -> Found | None:
        """See `Source`. Looks at names, sizes and times first, so that nothing is read where nothing changed."""
        signature = self._signature()
        if signature == self._seen and signature is not None:
            return None
        for _ in range(SETTLE_TRIES if known is not None else 0):  # while something is served there is time
            time.sleep(SETTLE_S)
            before, signature = signature, self._signature()
            if signature == before:
                break
        self._seen = signature
        manifest = bundle.load_manifest(self._folder)
        token = hashlib.sha256((self._folder / bundle.MANIFEST).read_bytes()).hexdigest()
        if token == known:
            bundle.load(self._folder)  # what is served is a copy, but a start from here would fail
            return token, None
        copy = self._copies / token[:16]
        shutil.rmtree(copy, ignore_errors=True)
        for name in (bundle.MANIFEST, *manifest.files):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(self._folder / name, copy / name)
            except FileNotFoundError as error:
                raise BundleError(f"{self._folder / name} is missing; copy the bundle again") from error
        try:
            return token, bundle.load(copy)
        except BundleError as error:
            shutil.rmtree(copy, ignore_errors=True)
            raise BundleError(str(error).replace(str(copy), str(self._folder))) from error

    def again(self) -> None:
        """See `Source`."""
        self._seen = None

    def taken(self, token: str, before: str | None) -> None:
        """Drop the copies of others than this and the one before."""
        for copy in self._copies.iterdir():
            if copy.name not in (token[:16], (before or "")[:16]):
                shutil.rmtree(copy, ignore_errors=True)

    def _signature(self) -> list[tuple[str, int, int, int]] | None:
        try:
            paths = sorted(self._folder.rglob("*"))
            stats = [(path.name, path.stat()) for path in paths]
        except OSError:  # somebody is at it
            return None
        return [(name, stat.st_size, stat.st_ctime_ns, stat.st_ino) for name, stat in stats]


class Alias(Source):
    """An alias in a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._versions: dict[str, Version] = {}

    def find(self, known: str | None) -> Found | None:
        """See `Source`. At the start without a registry, what was served last is taken from the cache."""
        try:
            version = self._registry.look()
        except RegistryError as error:
            last = self._registry.remembered()
            if known is not None or last is None:
                raise
            log.event(logging.WARNING, "registry unreachable, serving what was served last", why=str(error))
            version = last
        if version.token == known:
            return version.token, None
        self._versions = {version.token: version}
        return version.token, self._registry.fetch(version)

    def taken(self, token: str, before: str | None) -> None:
        """Note it in the cache."""
        if version := self._versions.get(token):
            self._registry.remember(version, before)


def main(settings: Settings, channel: Channel, copies: Path, known: str | None) -> int:
    """Watch until the supervisor ends; the exit status.

    Args:
        settings: where to look, how often.
        channel: to the supervisor.
        copies: a folder for copies of a served folder.
        known: token of what is served already.
    """
    source: Source = (
        Alias(Registry(settings)) if settings.registered else Folder(Path(settings.model), copies)
    )
    with suppress(PeerGone):
        _Watcher(source, channel, settings.poll_s, known).run()
    return 0


class _Watcher:
    def __init__(self, source: Source, channel: Channel, poll_s: float, known: str | None) -> None:
        self._source = source
        self._channel = channel
        self._poll_s = poll_s
        self._known = known
        self._refused: tuple[str, float] | None = None  # token, and until when
        self._said = ""

    def run(self) -> None:
        while True:
            self._look()
            for message in self._wait(self._poll_s):
                self._hear(message)

    def _look(self) -> None:
        if self._refused is not None and time.monotonic() > self._refused[1]:
            self._refused = None
            self._source.again()
        try:
            found = self._source.find(self._known)
        except RegistryError as error:
            return self._complain(error.outcome, str(error))
        except UserError as error:
            return self._complain(DAMAGED, str(error))
        except OSError as error:
            self._source.again()
            return self._complain(
                "unwritable", f"{error.filename}: {error.strerror}; check space and permissions"
            )
        if found is None:
            return None
        token, model = found
        if model is None:
            self._refused = None
            return self._complain("", "")  # what is served is what should be
        if self._refused is not None and self._refused[0] == token:
            return None
        folder = str(model.folder.resolve())
        self._channel.send(
            {"did": "found", "token": token, "folder": folder, "version": model.manifest.version}
        )
        while self._wait_for_verdict(token):
            pass
        return None

    def _wait_for_verdict(self, token: str) -> bool:
        for message in self._wait(None):
            self._hear(message)
            if message["do"] in ("taken", "refused") and message["token"] == token:
                return False
        return True

    def _hear(self, message: Message) -> None:
        if message["do"] == "taken":
            before, self._known = self._known, message["token"]
            self._refused, self._said = None, ""
            try:
                self._source.taken(message["token"], before)
            except OSError as error:
                log.event(logging.WARNING, "the cache can't be tidied", why=str(error))
        elif message["do"] == "refused":
            self._refused = (message["token"], time.monotonic() + message.get("for_s", REFUSED_FOR_S))
            self._said = message["why"]

    def _complain(self, outcome: str, why: str) -> None:
        """Say each trouble once, not every few seconds."""
        if why != self._said:
            self._said = why
            self._channel.send({"did": "trouble", "outcome": outcome, "why": why})

    def _wait(self, seconds: float | None) -> list[Message]:
        if not select.select([self._channel], [], [], seconds)[0]:
            return []
        return [message for message, _ in self._channel.receive()]
