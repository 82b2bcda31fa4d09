"""Notification: whom a finding concerns is told once, in words that say what to do next."""

from .console import ConsoleSink
from .file import FileSink
from .notification import Notification
from .notifier import Notifier, NotifierState

__all__ = ["ConsoleSink", "FileSink", "Notification", "Notifier", "NotifierState"]
