"""The model that answers: loaded, warm, and proved on its golden frames."""

import ctypes
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import bundle
from bundle import Bundle
from bundle.engine import Engine


@dataclass(frozen=True)
class LoadedModel:
    """A model that answers; it is replaced as a whole, never changed."""

    engine: Engine
    manifest: bytes  # manifest.json as it lies in the folder
    loaded: float = field(default_factory=time.time)  # seconds since 1970

    @classmethod
    def load(cls, folder: Path, variant: str | None, concurrency: int) -> Self:
        """Load a bundle whose files were verified, warm it and check its golden frames.

        Args:
            folder: nobody else may change it.
            variant: "fp32" or "int8"; the bundle's default without it.
            concurrency: threads that will infer at one time.

        Raises:
            BundleError: it can't be used here.
        """
        engine = Engine(bundle.load(folder, verify=False), variant, concurrency=concurrency)
        engine.check_golden()
        return cls(engine, (folder / bundle.MANIFEST).read_bytes())

    @property
    def bundle(self) -> Bundle:
        """The bundle, whose folder nobody changes while it is served."""
        return self.engine.bundle

    @property
    def version(self) -> str:
        """Of the bundle."""
        return self.engine.version

    @property
    def manifest_hash(self) -> str:
        """The sha256 of manifest.json."""
        return hashlib.sha256(self.manifest).hexdigest()


def give_back() -> None:
    """Let the C heap return what compiling a model, or a model that was replaced, left free (glibc keeps it)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
