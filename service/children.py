"""The processes of the service: forked, listened to, replaced when they die."""

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from service import log
from service.channel import Channel, Message, PeerGone

SETTLED_S: Final = 5.0  # one that dies sooner is replaced ever more slowly
SLOWEST_S: Final = 5.0


@dataclass
class Child:
    """A process of ours; ``place`` is the name that its replacement will have too."""

    place: int
    pid: int
    channel: Channel
    born: float = field(default_factory=time.monotonic)
    ready: bool = False  # serves a model
    handed: int = 0  # connections that it got

    def send(self, **message: object) -> None:
        """Tell it something. One that does not read is killed: it hangs."""
        try:
            if self.channel.send(message):
                return
        except PeerGone:
            return  # it is ending, and will be reaped
        log.event(logging.ERROR, "a process does not read; it is killed", pid=self.pid)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Death:
    """A child that ended."""

    child: Child
    status: int  # negative: of a signal
    in_succession: int  # quick deaths at this place, this one included


class Children:
    """All child processes, one a place."""

    def __init__(
        self,
        places: Iterable[int],
        life: Callable[[int, Channel], int],
        selector: selectors.BaseSelector,
        hear: Callable[[Child, Message], None],
    ) -> None:
        """Begin with none; `fork_due` makes them.

        Args:
            places: names.
            life: what a child does; gives its exit status.
            selector: of the parent's loop; the data of a key is called when it is readable.
            hear: what to do with a message.
        """
        self._life = life
        self._selector = selector
        self._hear = hear
        self._living: dict[int, Child] = {}
        self._due = dict.fromkeys(places, 0.0)  # when to fork, in time.monotonic()
        self._deaths: dict[int, int] = {}
        self.replace = True  # those that die

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._living.values()))

    def __len__(self) -> int:
        return len(self._living)

    def get(self, place: int) -> Child | None:
        """The one at a place."""
        return self._living.get(place)

    @property
    def complete(self) -> bool:
        """Whether every place has one."""
        return not self._due

    def fork_due(self) -> list[Child]:
        """Fork for the empty places whose time has come; in the child this does not return."""
        now = time.monotonic()
        due = [place for place, when in self._due.items() if when <= now] if self.replace else []
        return [self._fork(place) for place in due]

    def reap(self) -> list[Death]:
        """Those that ended since; their places will be filled again."""
        deaths: list[Death] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return deaths
            if pid == 0:
                return deaths
            if child := next((one for one in self if one.pid == pid), None):
                deaths.append(self._bury(child, os.waitstatus_to_exitcode(status)))

    def _fork(self, place: int) -> Child:
        ours, theirs = Channel.pair()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                ours.close()
                for other in self:
                    other.channel.close()
                self._selector.close()
                status = self._life(place, theirs)
            except BaseException:  # noqa: BLE001  # a child must never return into its parent's code
                log.LOGGER.exception("a process failed")
            finally:
                os._exit(status)
        theirs.close()
        del self._due[place]
        child = self._living[place] = Child(place, pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._receive(child))
        return child

    def _bury(self, child: Child, status: int) -> Death:
        self._selector.unregister(child.channel)
        child.channel.close()
        del self._living[child.place]
        age = time.monotonic() - child.born
        deaths = self._deaths[child.place] = self._deaths.get(child.place, 0) + 1 if age < SETTLED_S else 0
        self._due[child.place] = time.monotonic() + (min(SLOWEST_S, 0.05 * 2**deaths) if deaths else 0)
        return Death(child, status, deaths)

    def _receive(self, child: Child) -> None:
        try:
            messages = child.channel.receive()
        except PeerGone:  # it ends; make sure that it does, as it could not be reached any more
            child.kill()
            return
        for message, _ in messages:
            self._hear(child, message)
