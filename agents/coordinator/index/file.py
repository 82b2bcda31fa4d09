"""The file of the index: made anew under another name when it is damaged or of another log, never mended in place."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from contracts.errors import Unavailable
from models.locks import locked

FOLDER = "index"
#: The path of one that is on no disk.
MEMORY = ":memory:"
#: Raised when a table changes: an index of another version is made anew.
VERSION = "1"
_NAME = "alerts-{:06d}.db"
_PATIENCE_S = 10.0
_TRIES = 3
#: What SQLite says of bytes that are not what it wrote, and of tables that are not there.
_DAMAGE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA})

#: ``at`` is place << 40 | ordinal, so that findings of a place stand together and the id's index holds one number.
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE places (place INTEGER PRIMARY KEY, stream TEXT, part INTEGER, upto INTEGER, mark TEXT,
    UNIQUE (stream, part));
CREATE TABLE names (name INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE findings (at INTEGER PRIMARY KEY, id BLOB, time INTEGER, type INTEGER, asset INTEGER, channel INTEGER,
    bundle INTEGER, source INTEGER, first INTEGER, last INTEGER);
CREATE INDEX by_id ON findings (id);
CREATE TABLE segments (at INTEGER PRIMARY KEY, first INTEGER, run TEXT);
CREATE TABLE models (at INTEGER PRIMARY KEY, bundle TEXT, name TEXT, version TEXT, run TEXT);
CREATE TABLE unread (at INTEGER PRIMARY KEY, first INTEGER, problem TEXT);
"""

Tell = Callable[[str], None]


class IndexUnusable(Unavailable):
    """The disk does not let us use the index; what it would say can be read from the log."""


class Damaged(Exception):
    """What is in the file is not what was written; caught by whoever can have it made anew."""


@contextmanager
def told(path: str) -> Iterator[None]:
    """Around every use of SQLite: raises Damaged, or IndexUnusable with the path and what the system said."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Extended codes hold the plain one in their lowest byte; without one it is a value that does not fit.
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF in _DAMAGE:
            raise Damaged(f"{path}: {error}") from error
        raise IndexUnusable(f"{path}: {error}", mend="Check the disk and the rights on the folder") from error
    except OSError as error:
        raise IndexUnusable(f"{path}: {error.strerror}", mend="Check the disk and the rights on the folder") from error


def connected(folder: Path, identity: str, tell: Tell) -> tuple[sqlite3.Connection, str]:
    """The newest index in the folder and its path; an empty one where there is none, or none of this log.

    Raises IndexUnusable.
    """
    with told(str(folder)):
        for _ in range(_TRIES):
            path = _newest(folder)
            if path is not None:
                try:
                    return _opened(path, identity), str(path)
                except Damaged as error:
                    tell(f"the index of alerts is made anew: {error}")
            replace(folder, path, identity)
    raise IndexUnusable(f"{folder}: an index that was just made cannot be read", mend="Check the disk")


def in_memory(identity: str) -> sqlite3.Connection:
    """An empty index that nobody else sees."""
    return _made(MEMORY, identity)


def replace(folder: Path, path: Path | None, identity: str) -> None:
    """Make an empty index under the next name and take away those before it, unless somebody else did.

    Never the same name: two processes that held different files for one name would mix their journals.
    """
    with told(str(folder)), locked(folder / ".lock"):
        if _newest(folder) != path:
            return
        number = _number(path) + 1 if path else 1
        _made(folder / _NAME.format(number), identity).close()
        for old in folder.glob("alerts-*.db*"):
            if _number(old) < number:
                old.unlink(missing_ok=True)


def _newest(folder: Path) -> Path | None:
    # Path.glob says nothing of a folder that cannot be read.
    found = [item for item in folder.iterdir() if item.suffix == ".db"] if folder.exists() else []
    return max(found, key=_number, default=None)


def _number(path: Path) -> int:
    digits = path.name.removeprefix("alerts-").partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def _made(path: Path | str, identity: str) -> sqlite3.Connection:
    connection = _connection(path)
    with closing(connection.cursor()) as cursor:
        # A statement whose answer nobody took would hold up the transaction.
        cursor.execute("PRAGMA journal_mode = WAL").fetchall()
        cursor.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO about VALUES ('version', ?), ('log', ?)", (VERSION, identity))
        cursor.execute("COMMIT")
    return connection


def _opened(path: Path, identity: str) -> sqlite3.Connection:
    """Raises Damaged when the file holds no index of this log."""
    with told(str(path)):
        connection = _connection(path)
    try:
        with told(str(path)):
            about = dict(connection.execute("SELECT name, value FROM about").fetchall())
        if about != {"version": VERSION, "log": identity}:
            raise Damaged(f"{path} is of another log or another version")
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    # A power loss may take the last transactions, never half of one: they come again from the log.
    connection.execute("PRAGMA synchronous = NORMAL")
    # Ids are random: without room for their tree every page of findings would write most of it.
    connection.execute("PRAGMA cache_size = -65536")
    return connection
