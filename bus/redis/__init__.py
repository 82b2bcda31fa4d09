"""The bus on a Redis or Valkey server."""

from .bus import RedisBus as RedisBus
from .opening import open_bus as open_bus
from .server import Server as Server
