"""The queue: one item for each photo that a person should look at, with all the reasons, the worst first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from bundle.answer import Evidence
from bundle.engine import Engine
from pipeline.core import config
from pipeline.data.adoption import AUTHOR, LICENCE
from pipeline.data.frames import served_frames
from pipeline.data.manifest import Row
from pipeline.data.split import SPLIT, SplitRow
from pipeline.models import features
from pipeline.models.features import Photo
from pipeline.models.settings import ModelSettings
from pipeline.validate import checks
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.inspection import Measures, inspect_all
from studio.album import Album
from studio.errors import NotFoundError, StudioError
from studio.photos import Collection
from studio.review import flags
from studio.review.flags import Flag, Judgement
from studio.review.inbox import FOLDER, Inbox, Sent

Look = Callable[[list[Photo]], Any]  # features [photos, features] of the pretrained body


@dataclass(frozen=True)
class Item:
    """A photo of the queue, or a picture that was sent in."""

    id: str  # sha256 of its bytes
    row: Row | None  # None for a picture that was sent in
    why: tuple[Flag, ...]  # what matters most first
    weight: float
    label: str  # "" where a picture was sent in that should be none of these
    probabilities: dict[str, float] | None = None  # by label, of heads that did not see it; None where none can say
    others: tuple[str | None, ...] = ()  # for each reason the file of the photo that it is compared with
    sent: Sent | None = None


@dataclass(frozen=True)
class Looked:
    """What was found out about the photos as they were at one moment."""

    rows: list[SplitRow]
    manifest: dict[str, Row]
    photos: flags.Set
    judgement: Judgement

    @cached_property
    def files(self) -> dict[str, str]:
        """The photo of each hash; of equal ones that which has flags, or else the last."""
        ordered = sorted(enumerate(self.rows), key=lambda each: bool(self.judgement.flags.get(each[0])))
        return {row.sha256: row.file for _, row in ordered}


class Queue:
    """The queue of ``album``; what is expensive is kept until the photos change."""

    def __init__(self, album: Album, inbox: Inbox | None = None, look: Look | None = None) -> None:
        """Read the settings of the pipeline.

        Args:
            album: the photos.
            inbox: pictures that were sent in; that of the project without it.
            look: features of photos; by the pretrained body of conf/model/ without it.

        Raises:
            ConfigError: params.yaml is missing or damaged.
        """
        self.album = album
        self.inbox = inbox or Inbox(FOLDER, album.size)
        self.settings = config.load("validate", ValidateSettings)
        model = config.load("model", ModelSettings)
        self._look = look or (lambda photos: features.of(photos, model.backbone, model.size))
        self._collection = Collection(album.data)
        self._kept: tuple[object, Looked] | None = None

    def looked(self) -> Looked:
        """The photos as they are now, and their flags.

        Raises:
            DataError: the manifest or a photo is damaged. WeightsError: the pretrained weights can't be had.
        """
        state = tuple(_state(path) for path in (self.album.data.manifest, SPLIT))
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self._judge()
        return self._kept[1]

    def items(self) -> list[Item]:
        """Everything that is to be looked at, the worst first; flags that were found in order are left out."""
        looked, settled = self.looked(), self.album.journal.settled()
        found = []
        for index, reasons in looked.judgement.flags.items():
            row = looked.rows[index]
            why = sorted((flag for flag in reasons if (row.sha256, flag.kind) not in settled), key=lambda f: -f.weight)
            if not why:
                continue
            files = (None if flag.other is None else looked.rows[flag.other].file for flag in why)
            weight = min(1.0, why[0].weight + 0.01 * (len(why) - 1))  # more reasons, a little more
            item = Item(row.sha256, looked.manifest[row.file], tuple(why), weight, row.label, others=tuple(files))
            found.append(replace(item, probabilities=_answer(looked, index)))
        return sorted([*self._sent(looked), *found], key=lambda item: (-item.weight, item.id))

    def find(self, item: str) -> Path:
        """The file of an item: a picture that was sent in, or a photo.

        Raises:
            NotFoundError: there is none.
        """
        if item in self.inbox.names():
            return self.inbox.path(item)
        return self.album.data.images / self.file(item)

    def file(self, sha256: str) -> str:
        """The photo with these bytes; of equal ones that which stands in the queue.

        Raises:
            NotFoundError: there is none.
        """
        try:
            return self.looked().files[sha256]
        except KeyError as error:
            raise NotFoundError(f"no photo has the hash {sha256[:12]} (any more); load the page again") from error

    def evidence(self, item: str, engine: Engine) -> Evidence:
        """Where in the frame the label shows that ``engine`` finds the likeliest."""
        output = engine.run(served_frames([self.find(item)], engine.size), explain=True)
        best = int(output.probabilities[0].argmax())
        if output.evidence is None:
            raise StudioError("the model was exported without evidence maps; `dvc repro` makes it anew")
        return Evidence.of(engine.labels[best], output.evidence[0, best])

    def _judge(self) -> Looked:
        data, rows = self.album.data, self._collection.rows()
        named = {row.file: row for row in self.album.rows()}
        photos = [Photo(data.images / row.file, row.sha256) for row in rows]
        files = [row.file for row in rows]
        photo_set = flags.Set(
            files,
            [row.label for row in rows],
            [named[file].group for file in files],
            [row.group for row in rows],
            [row.split for row in rows],
            self.features(photos),
        )
        judgement = flags.judge(photo_set, self.settings)
        measured = inspect_all(
            data.images, files, max_pixels=self.settings.max_pixels, thumbnail=self.settings.thumbnail
        )
        for index, file in enumerate(files):
            seen, row = measured[file], named[file]
            found = judgement.flags.setdefault(index, [])
            if isinstance(seen, Measures):
                for problem in checks.check_picture(file, seen, self.settings):
                    if problem.kind == "blurred":
                        found.append(Flag("blurred", problem.message.removeprefix(f"{file}: "), flags.BLURRED))
            if missing := [
                word
                for word, value, unknown in (("author", row.author, AUTHOR), ("licence", row.licence, LICENCE))
                if value.strip() in ("", "unknown", unknown)
            ]:
                found.append(Flag("unlicensed", f"no {' and no '.join(missing)} is known", flags.UNLICENSED))
        return Looked(rows, named, photo_set, judgement)

    def features(self, photos: list[Photo]) -> NDArray[np.float32]:
        """Of ``photos``, rows of length 1, float32 [photos, features]."""
        return np.asarray(normalize(self._look(photos)) if photos else np.zeros((0, 1)), np.float32)

    def waiting(self) -> list[Sent]:
        """Pictures that were sent in and not decided on yet."""
        journal = self.album.journal
        done = journal.taken_in() | {sha for sha, kind in journal.settled() if kind == "wrong"}
        return self.inbox.read(self.inbox.names() - done - self.album.forgotten())

    def _sent(self, looked: Looked) -> list[Item]:
        if not (waiting := self.waiting()):
            return []
        weighed: list[tuple[float, dict[str, float] | None]] = [(0.0, None)] * len(waiting)
        if len(set(looked.photos.labels)) > 1:
            seen = self.features([Photo(self.inbox.path(sent.sha256), sent.sha256) for sent in waiting])
            wanted = [sent.label or self.album.data.ood_label for sent in waiting]
            strength = self.settings.label_error_strength
            weighed = [*flags.weigh_sent(looked.photos, looked.judgement, seen, wanted, strength)]
        found = []
        for sent, (weight, known) in zip(waiting, weighed, strict=True):
            right, said = (word or "none of these" for word in (sent.label, sent.answer))
            text = f"sent in: the model said {said} ({sent.score:.0%}), it should be {right}"
            why = Flag("wrong", text, 1 + weight)  # a person has said so: before all that is computed
            found.append(Item(sent.sha256, None, (why,), why.weight, sent.label, known, (None,), sent))
        return found


def _answer(looked: Looked, index: int) -> dict[str, float] | None:
    answers = looked.judgement.answers
    if answers is None:
        return None
    place = int(np.searchsorted(answers.used, index))
    if place == len(answers.used) or answers.used[place] != index:
        return None
    return dict(zip(answers.names, answers.probabilities[place].tolist(), strict=True))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
