"""What ends on a day: tokens of the HTTP interface, and certificates in files."""

import json
import ssl
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.instants import DAY, SECOND

from .finding import Health, broken, ill, skipped, well

TOKENS, CERTIFICATES = "tokens", "certificates"
#: An end is told so long before.
NOTICE = 14 * DAY
_NAMED = 5


def tokens(data_dir: Path, now: int) -> Health:
    """Whether tokens of the HTTP interface end soon, and are their owner's alone. Blocks; ``now`` in ns."""
    path = data_dir / "tokens.json"
    if not path.exists():
        return skipped(TOKENS, f"{path} is not there: no token was made")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lives = {str(row["name"]): _life(row) for row in json.loads(path.read_bytes())["tokens"] if not row["revoked"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        due_to = f"It was damaged or changed by hand, or belongs to another user: {type(error).__name__}"
        mend = f"Restore {path} from a backup; or move it away and make the tokens anew: tocsin tokens create"
        return broken(TOKENS, f"{path} cannot be read: nobody gets in with a token", due_to, mend)
    if mode & 0o077:
        due_to = "Others on this machine can read or change who may do what; meanwhile nobody gets in with a token"
        return broken(TOKENS, f"{path} has mode {mode:o}", due_to, f"chmod 600 {path}")
    gone = sorted(name for name, life in lives.items() if life and life[1] <= now)
    soon = [(life[1], name) for name, life in lives.items() if life and life[1] > now > life[1] - _notice(life)]
    mend = "tocsin tokens revoke NAME, then tocsin tokens create, and give the new one to whoever uses it"
    if gone:
        return ill(TOKENS, f"ended: {_some(gone)}", "Whoever shows one of these is turned away with 401", mend)
    if soon:
        told = [f"{name} on {_day(end)}" for end, name in sorted(soon)]
        return ill(TOKENS, f"end soon: {_some(told)}", "They were made for a time, which is nearly over", mend)
    return well(TOKENS, f"{len(lives)} tokens, none of which ends soon")


_Life = tuple[int, int]


def _life(row: Mapping[str, Any]) -> _Life | None:
    """When a token was made, and when it ends; None for one that does not. Raises KeyError, TypeError, ValueError."""
    return (int(row["made"]), int(row["expires"])) if row["expires"] else None


def _notice(life: _Life) -> int:
    """How long before its end it is told; one that is made for some days is no finding from its first hour on."""
    return min(NOTICE, (life[1] - life[0]) // 2)


def certificates(files: Iterable[Path], now: int) -> Health:
    """Whether the certificates of authorities in these files are there, sound, and valid for a while. Blocks."""
    ends: list[tuple[int, Path]] = []
    wanted = sorted(set(files))
    for path in wanted:
        try:
            ends += [(end, path) for end in _last_days(path)]
        except (OSError, ssl.SSLError) as error:
            due_to = f"The file is missing, is not PEM, or cannot be read by this user: {type(error).__name__}"
            mend = f"Put the authority's certificate there: openssl x509 -in {path} -noout -subject -enddate"
            return broken(CERTIFICATES, f"{path} cannot be used", due_to, mend)
    if not wanted:
        return skipped(CERTIFICATES, "no file with a certificate is configured")
    if not ends:
        return well(CERTIFICATES, f"{len(wanted)} files, with certificates of servers alone")
    end, path = min(ends)
    if end < now + NOTICE:
        return ended(CERTIFICATES, f"{path}", end, now)
    return well(CERTIFICATES, f"{len(wanted)} files, valid until {_day(end)} at least")


def ended(check: str, whose: str, end: int, now: int) -> Health:
    """A certificate that ended or ends soon."""
    mend = f"Renew it with whoever made it, and look at the end of the new one: openssl x509 -enddate ({whose})"
    if end <= now:
        return broken(check, f"{whose} ended on {_day(end)}", "No connection is trusted with it any more", mend)
    return ill(check, f"{whose} ends on {_day(end)}", "From then on no connection is trusted with it", mend)


def _last_days(path: Path) -> list[int]:
    """When the authorities in a file end, in ns; none where it holds a server's own. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    return [ssl.cert_time_to_seconds(str(found["notAfter"])) * SECOND for found in context.get_ca_certs()]


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time / SECOND, UTC):%Y-%m-%d}"


def _some(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join(names[:_NAMED] + more)
