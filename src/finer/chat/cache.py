"""The replies of all jobs in one folder: each request is asked once, by one job, and never again.

Parquet shards hold what was folded, a journal what came since. Before a job asks, it claims the request in the
journal with the most that it may cost; other jobs wait for its reply, and the claims of all jobs together with what was
spent stay within the budget. Claims of a job that has died are void: it no longer holds the lock on its owner file.
Nothing in the folder names a path, so it can be copied.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from finer.chat.journal import Entry, Journal, reply_event
from finer.chat.shards import costs_of, find, shard_files, write_shard

FOLD_AFTER = 2000  # replies in the journal
_PATIENCE = 2.0  # seconds of waiting for the lock before it is told
_LOOK = 0.002  # seconds between two tries: others hold it for one line of the journal, as a rule
_ROUNDING = 1e-9  # of sums of money


class Claim(Enum):
    """May this request be asked now?"""

    GRANTED = "ask it"
    KNOWN = "its reply is here"
    BUSY = "another job is asking it"
    FULL = "requests in flight could spend the rest of the budget; there may be room when they are answered"
    SPENT = "it could pass the budget"


class Cache:
    """One job's view of the folder; close it to fold the journal."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        (self.folder / "owners").mkdir(parents=True, exist_ok=True)
        self._owner = uuid.uuid4().hex
        self._alive = FileLock(self._owner_file(self._owner), thread_local=False)
        self._alive.acquire()
        self._lock = FileLock(self.folder / "lock", thread_local=False)
        self._journal = Journal(self.folder / "journal.jsonl")
        self._costs: dict[str, float] = {}  # key -> money
        self._spent = 0.0
        self._journalled: dict[str, int] = {}  # key -> place in the journal
        self._seen: set[str] = set()  # names of shards whose keys are known
        self._claims: dict[str, tuple[str, float]] = {}  # key -> owner, money it may cost
        with self._exclusive():
            pass

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def spent(self) -> float:
        """Money that all replies have cost, as far as this job has read."""
        return self._spent

    def lookup(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the replies that are here."""
        with self._exclusive():
            wanted = {key for key in keys if key in self._costs}
            found = {key: self._at(self._journalled[key]) for key in wanted if key in self._journalled}
            rest = wanted - found.keys()
            if rest:
                found |= {entry.key: entry for entry in find(shard_files(self.folder), rest)}
        return found

    def claim(self, key: str, cost: float, budget: float | None) -> Claim:
        """Ask for leave to send a request.

        Args:
            key: of the request.
            cost: the most that it may cost.
            budget: money that all jobs together may spend; None: no limit.
        """
        with self._exclusive():
            if key in self._costs:
                return Claim.KNOWN
            if key in self._claims and self._is_alive(self._claims[key][0]):
                return Claim.BUSY
            if budget is not None and self._passes(budget, cost):
                self._bury_the_dead()
                if self._passes(budget, cost):
                    return Claim.FULL if self._claims else Claim.SPENT
            self._append({"claim": key, "owner": self._owner, "cost": cost})
        return Claim.GRANTED

    def keep(self, entry: Entry) -> None:
        """Keep the reply to a claimed request; it is on disk when this returns."""
        with self._exclusive():
            if entry.key not in self._costs:
                self._append(reply_event(entry), durable=True)
            if len(self._journalled) >= FOLD_AFTER:
                self._fold()

    def release(self, key: str) -> None:
        """Give a claim back: no reply came."""
        with self._exclusive():
            self._append({"release": key, "owner": self._owner})

    def release_all(self) -> None:
        """Give back all claims of this job, such as an interrupt left."""
        with self._exclusive():
            self._release_own()

    def _release_own(self) -> None:
        for key in [key for key, (owner, _) in self._claims.items() if owner == self._owner]:
            self._append({"release": key, "owner": self._owner})

    def close(self) -> None:
        """Fold the journal into a shard."""
        if self._alive.is_locked:
            with self._exclusive():
                self._release_own()
                self._fold()
                for file in (self.folder / "owners").iterdir():
                    self._is_alive(file.name)  # removes what dead jobs left
            self._owner_file(self._owner).unlink(missing_ok=True)
            self._alive.release()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the folder's lock, knowing all that others have written."""
        try:
            self._lock.acquire(timeout=_PATIENCE, poll_interval=_LOOK)
        except Timeout:
            print(f"waiting for another job that is writing in {self.folder}", file=sys.stderr)
            self._lock.acquire(poll_interval=_LOOK)
        try:
            self._refresh()
            yield
        finally:
            self._lock.release()

    def _refresh(self) -> None:
        if self._journal.begun_anew():
            self._claims.clear()
            self._journalled.clear()
            files = {path.name: path for path in shard_files(self.folder)}
            for name in sorted(files.keys() - self._seen):
                for key, cost in costs_of(files[name]):
                    self._add(key, cost)
            self._seen = set(files)
        for place, event in self._journal.unread():
            if "reply" in event:
                key = event["reply"]["key"]
                self._claims.pop(key, None)
                self._journalled.setdefault(key, place)
                self._add(key, event["reply"]["cost"])
            elif "claim" in event:
                self._claims[event["claim"]] = (event["owner"], event["cost"])
            elif "release" in event and self._claims.get(event["release"], ("",))[0] == event["owner"]:
                del self._claims[event["release"]]

    def _add(self, key: str, cost: float) -> None:
        if key not in self._costs:
            self._costs[key] = cost
            self._spent += cost

    def _append(self, event: dict[str, object], durable: bool = False) -> None:
        self._journal.append(event, durable)
        self._refresh()

    def _at(self, place: int) -> Entry:
        return Entry(**self._journal.at(place)["reply"])

    def _passes(self, budget: float, cost: float) -> bool:
        reserved = sum(claimed for _, claimed in self._claims.values())
        return self._spent + reserved + cost > budget + _ROUNDING

    def _bury_the_dead(self) -> None:
        dead = {owner for owner, _ in self._claims.values() if not self._is_alive(owner)}
        for key in [key for key, (owner, _) in self._claims.items() if owner in dead]:
            self._append({"release": key, "owner": self._claims[key][0]})

    def _is_alive(self, owner: str) -> bool:
        if owner == self._owner:
            return True
        path = self._owner_file(owner)
        if not path.is_file():
            return False
        try:
            with FileLock(path, timeout=0, thread_local=False):
                path.unlink(missing_ok=True)
        except Timeout:
            return True
        return False

    def _owner_file(self, owner: str) -> Path:
        return self.folder / "owners" / owner

    def _fold(self) -> None:
        """Move the journal's replies into a shard; killed in the midst, a reply stands in both, which is harmless."""
        if not self._journalled:
            return
        replaced = write_shard(self.folder, [self._at(place) for place in self._journalled.values()])
        _sync(self.folder)
        claims = [{"claim": key, "owner": owner, "cost": cost} for key, (owner, cost) in self._claims.items()]
        self._journal.restart(claims)
        for path in replaced:
            path.unlink()
        self._refresh()


def _sync(folder: Path) -> None:
    """Wait until all files of a folder, and their names, are on disk."""
    for path in (*shard_files(folder), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
