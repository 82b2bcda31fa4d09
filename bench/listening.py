"""Waiting for a server that was just started."""

import socket
import time
from collections.abc import Callable


def wait_for(port: int, ended: Callable[[], str] = lambda: "") -> None:
    """Until something listens there, a minute at most; ``ended`` says why nothing ever will. Raises SystemExit."""
    for _ in range(600):
        if said := ended():
            raise SystemExit(f"tocsin api ended: {said}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("tocsin api does not listen")
