"""The bus on a Redis or Valkey server."""

from .bus import RedisBus as RedisBus
from .connecting import connect as connect
from .opening import open_bus as open_bus
from .server import Server as Server
