"""git's history: whether it holds the bytes, and the command that takes them out. Nobody but the user runs it."""

import subprocess
from collections.abc import Collection

# Finds the bytes by their name in git, whatever they are called in a commit; works with git alone.
_COMMAND = (
    "FILTER_BRANCH_SQUELCH_WARNING=1 git filter-branch --force --index-filter "
    '\'git ls-files -s | grep -E "^[0-9]+ ({blobs}) " | cut -f2- | tr "\\n" "\\0" '
    "| xargs -0 -r git rm --cached --quiet --' --tag-name-filter cat -- --all "
    "&& git for-each-ref --format='delete %(refname)' refs/original | git update-ref --stdin "
    "&& git reflog expire --expire=now --expire-unreachable=now --all && git gc --quiet --prune=now"
)


def held(blobs: Collection[str]) -> list[str]:
    """Those of ``blobs`` that a commit, a tag or a stash of this repository holds; none where this is no repository."""
    every = ["--objects", "--all", "--reflog", "--indexed-objects"]
    listed = subprocess.run(["git", "rev-list", *every], capture_output=True, text=True, check=False)
    there = {line.partition(" ")[0] for line in listed.stdout.splitlines()}
    return sorted(there & set(blobs))


def command(blobs: Collection[str]) -> str:
    """The command that rewrites the history without ``blobs``; the removal has to be committed before it."""
    return _COMMAND.format(blobs="|".join(sorted(blobs)))
