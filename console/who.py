"""Who sits at this terminal, for decisions that are kept."""

import os
import pwd
import socket


def who() -> str:
    """The name of the user and the machine."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
