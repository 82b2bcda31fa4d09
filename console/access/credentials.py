"""Who is who: by a token of the file, by the one of the configuration, or by being on this machine."""

import hmac
from dataclasses import dataclass

from contracts.addresses import is_loopback
from contracts.errors import ConfigError
from contracts.sections import ApiSettings

from .caller import CONFIGURATION, LOCAL, Caller
from .tokens import Tokens, hash_of


@dataclass(frozen=True)
class Known:
    """A caller, and what it was known by: the hash of a token, empty where none was wanted.

    ``expires``: wall clock, ns; 0: never.
    """

    caller: Caller
    hash: str = ""
    expires: int = 0


class Credentials:
    """Everything that callers can show."""

    def __init__(self, settings: ApiSettings, tokens: Tokens) -> None:
        self._host, self._tokens = settings.host, tokens
        self._configured = "" if settings.token is None else hash_of(settings.token.get_secret_value())

    def required(self) -> bool:
        """Whether everybody has to show something. Raises Unavailable where that cannot be told."""
        return bool(self._configured) or not is_loopback(self._host) or self._tokens.any()

    def shown(self, text: str) -> Known | None:
        """Whose token this is. Raises Unavailable."""
        return self.of(hash_of(text))

    def of(self, hashed: str) -> Known | None:
        """Whose token has this hash, as long as it counts; with none, everybody where nothing has to be shown.

        Raises Unavailable.
        """
        if not hashed:
            return None if self.required() else Known(LOCAL)
        if self._configured and hmac.compare_digest(hashed, self._configured):
            return Known(CONFIGURATION, hashed)
        token = self._tokens.counting(hashed)
        return None if token is None else Known(token.caller, hashed, token.expires)

    def named(self, name: str) -> Known | None:
        """Whose token has this name, as long as it counts. Raises Unavailable."""
        if name == CONFIGURATION.name:
            return self.of(self._configured) if self._configured else None
        token = self._tokens.named(name)
        return None if token is None else self.of(token.hash)

    def check(self) -> None:
        """Raises ConfigError where anybody could come in from outside, and Unavailable for a file that is none."""
        tokens = self._tokens.any()
        if not is_loopback(self._host) and not self._configured and not tokens:
            raise ConfigError(
                [f"api.host {self._host} can be reached from outside: set a token"],
                mend="Run: tocsin tokens create NAME --role admin",
            )
