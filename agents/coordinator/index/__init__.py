"""Where each finding is in the log, by its id, bundle and readings: derived from log and archive, never the truth."""

from .catchup import INDEXED as INDEXED
from .catchup import catch_up as catch_up
from .catchup import kept as kept
from .catchup import opened as opened
from .file import Damaged as Damaged
from .file import IndexUnusable as IndexUnusable
from .reach import Reach as Reach
from .reach import Readings as Readings
from .store import AlertIndex as AlertIndex
