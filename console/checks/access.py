"""What our user of the server may do, and whether others may do it, too."""

from bus import keys
from bus.protocol import Place
from contracts.errors import TocsinError
from contracts.events import ReadingsAcquired

from .finding import UNAVAILABLE, Finding, fail, ok, warn
from .redis import Probe

CHECK = "redis.acl"
#: Every command that the bus and its scripts use, with arguments that the server accepts; K is a key.
COMMANDS = (
    *("DEL K", "EXISTS K", "RENAME K K", "HDEL K f", "HGET K f", "HGETALL K", "HINCRBY K f 1", "HKEYS K", "HMGET K f"),
    *("HSET K f v", "HSETNX K f v", "XACK K g 1-1", "XADD K * f v", "XCLAIM K g c 0 1-1", "XGROUP CREATE K g 0"),
    *("XGROUP DESTROY K g", "XGROUP DELCONSUMER K g c", "XINFO GROUPS K", "XPENDING K g", "XRANGE K - +"),
    *("XREAD STREAMS K 0", "XTRIM K MAXLEN 0", "MEMORY USAGE K", "EVALSHA x 1 K", "EVAL x 1 K", "INFO", "TIME", "PING"),
    "WAIT 0 0",
)
#: Asks without doing anything, for each text in ARGV; what this server does not know counts as allowed.
_ASK = """
local denied = {}
for _, text in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then denied[#denied + 1] = text end
end
return denied
"""
_NAMED = 5


async def acl(probe: Probe) -> Finding:
    """Whether our user may do all that Tocsin does, and whether somebody without a password may, too."""
    places = (keys.ledger(0), keys.stream(Place(ReadingsAcquired.stream, 0)), keys.STORE)
    asked = [command.replace(" K", f" {key}") for key in places for command in COMMANDS]
    try:
        denied = [text.decode() for text in await probe.server.call("EVAL", _ASK, 1, places[0], *asked)]
    except TocsinError as error:
        if "permission" not in str(error).lower():
            raise
        denied = ["EVAL"]
    name = _user(probe)
    if denied:
        some = ", ".join(dict.fromkeys(text.partition(" ")[0] for text in denied))
        cause = "Its ACL leaves out commands, or keys that begin with tocsin: - whatever needs them fails"
        mend = f"ACL SETUSER {name} ~tocsin:* +@all -@admin -@dangerous +info, and the same in the server's file"
        return fail(CHECK, f"user {name} may not: {some}", cause, mend, UNAVAILABLE)
    open_to = await _without_password(probe, name)
    if open_to:
        cause = "Whoever reaches the server can read and change the log as one of these: the password guards nothing"
        mend = f"ACL SETUSER {open_to[0]} resetpass, or off, and the same in the server's file"
        return warn(CHECK, f"users without a password: {', '.join(open_to[:_NAMED])}", cause, mend)
    return ok(CHECK, f"user {name} may do all that is needed, and nobody else does without a password")


def _user(probe: Probe) -> str:
    from urllib.parse import unquote

    named = probe.url.rpartition("@")[0].partition("://")[2].partition(":")[0]
    return probe.scene.settings.redis.username or unquote(named) or "default"


async def _without_password(probe: Probe, ours: str) -> list[str]:
    """Other users that are on, want no password, and may touch our keys; none where the server does not tell."""
    try:
        lines = await probe.server.call("ACL", "LIST")
    except TocsinError:
        return []
    found = []
    for line in lines:
        _, name, *rules = line.decode().split()
        keys_too = any(rule.startswith(("~*", "~tocsin", "%RW~*", "%W~*", "allkeys")) for rule in rules)
        able = any(rule.startswith("+") or rule == "allcommands" for rule in rules)
        if name != ours and "on" in rules and "nopass" in rules and keys_too and able:
            found.append(name)
    return found
