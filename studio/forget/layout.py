"""Where the places are in this project, in the order in which they are cleaned; and one process alone in them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.lock import LockError
from dvc.repo import Repo
from dvc.rwlock import rwlock
from dvc_data.hashfile.db import get_index

from pipeline.core import config
from pipeline.core.errors import PipelineError
from pipeline.promote.policy import PromoteSettings
from pipeline.promote.stage import MODELS
from pipeline.tracking import store
from pipeline.tracking.registry import Registry
from studio.album import Album
from studio.dvc import ANOTHER
from studio.errors import BusyError
from studio.forget.places import Folder, Listed, Place, Remote, Server, Unreached
from studio.forget.versions import Versions

LAYOUTS = ("md5", "md5-dos2unix")  # of DVC's stores: that of version 3, and the one before


@contextmanager
def alone() -> Iterator[Any]:
    """DVC's repository, with its locks held, so that no other `dvc` command runs meanwhile.

    Raises:
        BusyError: one runs.
    """
    repo = Repo()
    try:
        with repo.lock, rwlock(repo.tmp_dir, repo.fs, "studio forget", [], [repo.root_dir], hardlink=False):
            yield repo
    except LockError as error:
        raise BusyError(ANOTHER) from error
    finally:
        repo.close()


def places(repo: Any, album: Album, why: str) -> list[Place]:
    """All of them: versions first, as they are being served, and remotes last, as they need names found before."""
    name, served = config.load("promote", PromoteSettings).model, str(os.environ.get("MLFLOW_TRACKING_URI"))
    tracked: list[Place] = []
    try:
        tracking = store.open_store(config.load("tracking", store.Settings))
        versions: Place = Versions(Registry(tracking, name), store.project_root() / MODELS)
        tracked = [Server(tracking)] if tracking.uri.startswith("http") else []
    except PipelineError as error:
        versions = Unreached(Versions.name, error)
        tracked = [Unreached(Server.name, error)] if served.startswith("http") else []
    return [versions, Listed(album, why), *folders(repo), *tracked, *_remotes(repo)]


def folders(repo: Any) -> list[Folder]:
    """The folders of this machine but for remotes: the workspace, DVC's cache, and MLflow's files."""
    root, cache = Path(repo.root_dir), Path(repo.cache.local_cache_dir)
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    database = root / address.removeprefix("sqlite:///") if address.startswith("sqlite:///") else None
    runs = database.parent if database else root / ".mlflow"
    remotes = [remote.root for remote in _remotes(repo) if isinstance(remote, Folder)]
    apart = frozenset(path.resolve() for path in (cache, runs, *remotes))
    return [
        Folder("workspace", root, apart),
        Folder("DVC's cache", cache, is_store=True),
        Folder("MLflow's files", runs),
    ]


def _remotes(repo: Any) -> list[Place]:
    found: list[Place] = []
    for name in sorted(repo.config["remote"]):
        label = f"remote {name}"
        try:
            databases = [repo.cloud.get_remote_odb(name, "forget", layout) for layout in LAYOUTS]
            remote = repo.cloud.get_remote(name)
        except Exception as error:  # noqa: BLE001  # whatever its library raises: `find` raises it again
            found.append(Unreached(label, error))
            continue
        for database in databases:
            get_index(database).clear()  # what DVC remembers of the remote will be wrong
        if remote.fs.protocol == "local":
            outside = not Path(remote.path).is_relative_to(repo.root_dir)
            found.append(Folder(label, Path(remote.path), is_store=True, must_exist=outside))
        else:
            found.append(Remote(label, databases))
    return found
