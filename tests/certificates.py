"""Certificates of a private authority, for servers on this machine."""

import subprocess
from pathlib import Path

_SCRIPT = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority \
  -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=server
printf 'subjectAltName=IP:127.0.0.1' > san
openssl x509 -req -in req.pem -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out crt.pem -extfile san
"""


def certified(folder: Path) -> None:
    """A private authority (ca.crt), and a certificate of it for 127.0.0.1 (crt.pem, key.pem)."""
    subprocess.run(["bash", "-ec", _SCRIPT], cwd=folder, check=True, capture_output=True)
