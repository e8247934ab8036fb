"""Files that queries share: what one query makes of an object, the next one finds, each in a process of its own."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


class Cache:
    """Files of at most so many bytes in all, once ``evict`` has run; those that were used least recently go first."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._grew = False

    def link(self, key: str, target: Path, make: Callable[[Path], bool]) -> None:
        """Puts the file of this key at ``target``; if there is none, ``make`` writes it.

        A query that needs a file while another makes it waits. ``make`` says whether the file may be kept. The target
        is a hard link: what goes from the cache stays with the queries that read it. All in one file system.
        """
        self._directory.mkdir(exist_ok=True)
        file = self._directory / hashlib.sha256(key.encode()).hexdigest()
        if _linked(file, target):
            return
        # The system frees the lock when its owner ends, however it ends.
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _linked(file, target):
                return
            part = file.with_suffix(".part")
            if not make(part):
                part.rename(target)
                return
            _link(part, target)
            part.rename(file)
        self._grew = True

    def evict(self) -> None:
        """Removes what is beyond the limit. It looks at every file, so it is for the end of many links."""
        if not self._grew:
            return
        self._grew = False
        files = sorted(
            ((status.st_mtime_ns, status.st_size, file) for file, status in _files(self._directory)), reverse=True
        )
        total = 0
        for _, size, file in files:
            total += size
            if total > self._limit:
                file.unlink(missing_ok=True)


def _linked(file: Path, target: Path) -> bool:
    """Links the target to the file, if there is one, and notes its use."""
    try:
        _link(file, target)
        os.utime(file)
    except FileNotFoundError:
        return target.exists()
    return True


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except FileNotFoundError:
        raise
    except OSError:  # not every file system has hard links
        shutil.copyfile(file, target)


def _files(directory: Path) -> list[tuple[Path, os.stat_result]]:
    """The complete files in the cache."""
    found = []
    for file in directory.iterdir():
        if not file.suffix:
            try:
                found.append((file, file.stat()))
            except FileNotFoundError:  # another query has just removed it
                continue
    return found
