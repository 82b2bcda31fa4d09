"""Every fault that is planted for `tocsin doctor`: which check must find it, and what it has to say.

One line each. `docs/troubleshooting.md` lists them by name, and `tests/unit/console/test_faults.py` holds the two lists
and the tests against each other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.checks.finding import Finding


@dataclass(frozen=True)
class Fault:
    """``found``, ``cause`` and ``mend`` are regular expressions that the finding's texts match somewhere."""

    check: str
    status: str
    found: str
    cause: str
    mend: str


def assert_told(findings: Mapping[str, Finding], name: str, also: Sequence[str] = ()) -> Finding:
    """The fault is found by its check, with the right cause and mend; ``also``: what else is wrong because of it."""
    fault, minded = FAULTS[name], {name for name, each in findings.items() if each.status in ("warn", "fail")}
    finding = findings[fault.check]
    assert (finding.check, finding.status) == (fault.check, fault.status), finding
    for said, pattern in ((finding.found, fault.found), (finding.cause, fault.cause), (finding.mend, fault.mend)):
        assert re.search(pattern, said), f"{pattern!r} is not in {said!r}"
    assert minded <= {fault.check, *also}, {name: findings[name] for name in minded}
    return finding


FAULTS = {
    # ---- the server of the log
    "an eviction policy": Fault(
        "redis.eviction", "fail", "allkeys-lru", "deletes whole streams", "CONFIG SET maxmemory-policy noeviction"
    ),
    "no persistence": Fault("redis.persistence", "fail", "appendonly no", "after a restart", "SET appendonly yes"),
    "no limit of memory": Fault("redis.memory", "warn", "maxmemory is not set", "kills the server", "SET maxmemory"),
    "memory nearly full": Fault("redis.memory", "warn", "MB used", "faster than it is trimmed", "raise maxmemory"),
    "memory full": Fault("redis.memory", "fail", "MB used", "every write is refused", "raise maxmemory"),
    "a replica": Fault("redis.role", "fail", "a replica", "refuses writes", r"primary: 127\.0\.0\.1:1"),
    "replicas that are missing": Fault("redis.replicas", "fail", "0 follow", "No commit counts", "wait_replicas"),
    "another log": Fault("redis.store", "fail", "expected log 0123456789abcdef", "another one", "store-id"),
    "an emptied server": Fault("redis.store", "fail", "found no log", "lost its data", "Restore the server's data"),
    "an emptied partition": Fault("redis.store", "fail", "partitions 1", "node of the cluster", "Restore the data"),
    "another number of partitions": Fault(
        "redis.store", "fail", "the log has 2 partitions", "fixed once the log", "Set bus.partitions to 2"
    ),
    "a known hole in the server": Fault("redis.version", "warn", r"9\.1\.0", "CVE-2026", r"8\.6\.3, Valkey"),
    "a server that is too old": Fault("redis.version", "fail", r"Redis 6\.2", "Older than Redis 7", "Upgrade"),
    "an open server": Fault("redis.password", "fail", "without a password", "Everybody who reaches it", "requirepass"),
    "a server that also listens outside": Fault(
        "redis.password", "fail", r"listens on .* port \d+", "protected-mode is off", r"bind 127\.0\.0\.1"
    ),
    "a missing password": Fault("redis", "fail", "does not serve us", "NOAUTH|required", "TOCSIN_REDIS__PASSWORD_FILE"),
    "a wrong password": Fault("redis", "fail", "does not serve us", "password", "Correct redis.username"),
    "commands that our user may not use": Fault(
        "redis.acl", "fail", "user tocsin may not: .*XTRIM", "leaves out commands", "ACL SETUSER tocsin ~tocsin:"
    ),
    "keys that our user may not touch": Fault(
        "redis.acl", "fail", "user tocsin may not: EVAL", "keys that begin with tocsin:", "ACL SETUSER tocsin"
    ),
    "a user without a password": Fault("redis.acl", "warn", "guest", "guards nothing", "SETUSER guest resetpass"),
    "clients without a limit": Fault("redis.buffers", "warn", "no limit", "without end", "client-output-buffer-limit"),
    "a server whose clock is ahead": Fault("redis.clock", "warn", "s ahead of us", "two clocks", "set-ntp true"),
    "a server that is not there": Fault("redis", "fail", "does not serve us", ".", "Start the server"),
    "a server that hangs": Fault("embedded-server", "fail", "does not answer", "SIGSTOP", r"kill \d+"),
    "a server's certificate that ends soon": Fault(
        "redis.certificate", "warn", r"certificate of 127.* ends on", "no connection is trusted", "Renew"
    ),
    "a server's certificate that has ended": Fault("redis", "fail", "serve us", "expired", "Renew the server's cert"),
    "an authority that nobody knows": Fault("redis", "fail", "serve us", "CERTIFICATE_VERIFY", "Set redis.tls_ca"),
    # ---- this machine
    "a data directory that all can change": Fault("permissions", "fail", "mode 777", "can change", "chmod 700"),
    "a data directory that all can read": Fault("permissions", "warn", "mode 755", "can read", "chmod 700"),
    "a key that others can read": Fault("permissions", "fail", "mode 644", "holds a key", "chmod 600"),
    "files of another user": Fault("permissions", "warn", "not of user 0 .*: redis", "as another user", "chown -R 0"),
    "a file in place of the data directory": Fault("data-dir", "fail", "is not a folder", "has its name", "--data-dir"),
    "a full disk": Fault("disk", "warn", r"0\.0 GB of 0\.0 GB", "log cannot grow", "Free space"),
    "a disk without files left": Fault("disk", "warn", "files free", "log cannot grow", "Delete files"),
    "a wrong clock": Fault("clock", "fail", "s since 1970", "never reached a time server", "timedatectl set-ntp true"),
    "a wrong configuration": Fault("config", "fail", "2 problems", r"lease_s.*nonsense", "Correct these lines"),
    "a file of an authority that is gone": Fault("certificates", "fail", "cannot be used", "missing", "Put the auth"),
    "a file of an authority that is none": Fault("certificates", "fail", "cannot be used", "not PEM", "Put the auth"),
    "an authority that has ended": Fault("certificates", "fail", "ended on", "is trusted", "Renew it"),
    "an authority that ends soon": Fault("certificates", "warn", "ends on", "From then on", "Renew it"),
    "tokens that all can read": Fault("tokens", "fail", "mode 644", "Others on this machine", "chmod 600"),
    "a token that has ended": Fault("tokens", "warn", "ended: old", "401", "tocsin tokens revoke"),
    "a token that ends soon": Fault("tokens", "warn", "end soon: old on", "nearly over", "tocsin tokens create"),
    "damaged tokens": Fault("tokens", "fail", "cannot be read", "damaged", "from a backup"),
    # ---- processes
    "a server that was left behind": Fault("orphans", "fail", "nobody supervises", "was killed", r"kill \d+ "),
    "two servers on one folder": Fault("orphans", "fail", "2 servers", "the log gets lost", r"kill \d+ \d+"),
    "agents that were left behind": Fault("orphans", "fail", "1 of our own", "nobody starts them again", r"kill \d+ "),
    "a configuration that was changed": Fault(
        "running", "warn", "runs with another agents.validation", "file was changed", "start it again"
    ),
    "an agent that was taken out": Fault(
        "running", "warn", "run and are not configured: notification", "taken out", "start it again"
    ),
    "an agent that was added": Fault(
        "running", "warn", "configured and do not run: spikes", "were added", "start it again"
    ),
    "code that was changed": Fault("running", "warn", "runs with other code", "goes on with what", "start it again"),
    "a process that says nothing": Fault("running", "warn", "has said nothing for", "SIGSTOP", r"kill \d+"),
    "numbers for everybody": Fault("listening", "warn", r"0\.0\.0\.0:\d+ shows /metrics", "Names", "metrics.host"),
    "an interface without a token": Fault("listening", "fail", "answers everybody", "another conf", "tokens? "),
    "an interface that is gone": Fault("listening", "fail", "nothing answers", "another program", "ss -ltnp"),
    # ---- MLflow
    "MLflow that is not there": Fault("mlflow", "fail", "does not answer", "not started", "mlflow.uri"),
    "MLflow whose database is gone": Fault("mlflow", "fail", "answers 500", "database does not work", "See the log"),
    "MLflow that wants a password": Fault("mlflow", "fail", "answers 401", "user and pass", "MLFLOW_TRACKING_PASS"),
    "a damaged store of MLflow": Fault("mlflow", "fail", "cannot be read", "damaged", "restore"),
    "a known hole in MLflow": Fault("mlflow.version", "fail", r"MLflow 3\.9\.0", "CVE-2026-2651", "pip install"),
    "artifacts that a server cannot write": Fault(
        "mlflow.artifacts", "fail", "cannot be written .* answers 500", "gone, full, read-only", "artifacts-destination"
    ),
    "artifacts that cannot be written": Fault("mlflow.artifacts", "fail", "cannot be written", "read-only", "chown"),
    "a registry that was emptied": Fault(
        "mlflow.registry", "warn", "registry is empty", "another store", "Correct mlflow.uri"
    ),
    "a model without files": Fault("mlflow.registry", "fail", "has no files", "files were deleted", "Restore /"),
    # ---- what trainings, models and sources do
    "no training": Fault("training-runs", "warn", "no training in the last 48 h of: pumps", "coordinator", "training"),
    "a metric under its floor": Fault("metric-floor", "warn", "r2 is 0.7, the floor", "sensors changed", "train PLAN"),
    "artifacts that grow": Fault("artifact-growth", "warn", "in the last 30 days", "more often", "tocsin models gc"),
    "a damaged model": Fault("served-models", "fail", "bundle ", "damaged or emptied", "tocsin models verify"),
    "a silent source": Fault("data-gaps", "warn", "silent for over 6 h: push", "The device", "--stream incidents"),
    "half of a source's readings": Fault("records-per-day", "warn", "fewer readings", "Sensors were lost", "export"),
    # ---- the log and its archive
    "a task that stands still": Fault(
        "log.lag", "warn", "validation in .* 7 events behind", "not run", "up validation"
    ),
    "a sink that stands still": Fault("log.lag", "warn", "notification.file in", "not run", "up notification"),
    "a task that is far behind": Fault("log.lag", "warn", "is 400 events behind", "slower", "up validation"),
    "dead letters": Fault("log.dead-letters", "warn", "2 open letters", "boom 2", "tocsin dlq redrive"),
    "a task that stopped": Fault("log.stopped", "warn", "on partition 0", "Diverged: x", "Mend the agent's code"),
    "readings from the future": Fault("log.age", "warn", "from the future", "clock of a device", "time_unit"),
    "a lost archive": Fault(
        "log.archived", "fail", "is archived up to 5, not 0", "lost files", "tocsin retire archive"
    ),
    "a damaged archive": Fault("archive", "fail", "manifest", "damaged or changed", "from a backup"),
    "no archive": Fault("archive", "warn", "turned off", "nothing is ever trimmed", "archive.enabled"),
    "an agent that is gone": Fault("log.readers", "warn", "former<", "taken out of the configuration", "tocsin retire"),
    "a group of another program": Fault("log.readers", "warn", "group somebody holds", "another program", "retire"),
    "a damaged file of the log": Fault("embedded-server", "fail", "Bad file format", "power loss", "Keep a copy"),
    "files of the log that are gone": Fault("embedded-server", "fail", "has none", "start empty", "store-id"),
    "a list of files that is gone": Fault("embedded-server", "fail", "manifest is missing", "deleted", "Keep a copy"),
    # ---- who is told
    "a disabled subscriber": Fault("subscribers", "warn", "carl .disabled", "503, 50 times", "subscribers resume carl"),
    "a subscriber that is not usable": Fault("subscribers", "warn", "carl .not usable", "not fit", "deliveries carl"),
    "a route to somebody who is paused": Fault("routes", "warn", "lead to nobody .*duty", "paused", "resume"),
    "nobody who is told": Fault("routes", "fail", "nobody is told", "is paused", "resume"),
    "a subscriber that expired": Fault("routes", "warn", "lead to nobody .*duty", "expired", "resume"),
    "nobody on call": Fault("routes", "warn", "lead to nobody .*duty", "on call", "resume"),
    "secrets that others can read": Fault("secrets", "fail", "mode 640", "may have read", "chmod 600"),
    "messages that were not delivered": Fault("undelivered", "warn", "ann 1", "refused them", "redeliver ann"),
}
