"""The service as it runs: with what is configured, and reachable by whom it should be."""

from agents.health import running as process
from agents.health.processes import children, is_tocsin
from agents.health.surroundings import configured
from agents.telemetry import read_reports
from contracts.addresses import is_loopback

from .finding import Finding, fail, finding_of, ok, skip, warn
from .scene import Scene

RUNNING, LISTENING = process.CHECK, "listening"
#: Something that nobody may read without a token, where one is wanted.
_QUESTION = "/api/v1/alerts"


def running(scene: Scene) -> Finding:
    """Whether what runs is what the configuration and the code say now."""
    return finding_of(configured(scene.settings, scene.clock.wall_ns()))


def listening(scene: Scene) -> Finding:
    """Whether the ports of the service answer, and nobody else but this machine gets in without a token."""
    api, metrics = scene.settings.api, scene.settings.metrics
    if api.port is None and metrics.port is None:
        return skip(LISTENING, "no port is configured")
    if api.port is not None:
        status = _asked(api.host, api.port, scene.limits.timeout_s / 2)
        if status == 0 and _should_answer(scene):
            cause = "The process of the interface dies at once, hangs, or another program has the port"
            mend = f"See the log of the service, and who has the port: ss -ltnp 'sport = :{api.port}'"
            return fail(LISTENING, f"the service runs, and nothing answers at {api.host}:{api.port}", cause, mend)
        if status == 200 and not is_loopback(api.host):
            cause = "The service was started with another configuration, or a proxy in front of it adds the token"
            mend = "tocsin tokens create NAME --role admin, and start the service again; or api.host: 127.0.0.1"
            found = f"{api.host}:{api.port} answers everybody in the network without a token"
            return fail(LISTENING, found, cause, mend)
    if metrics.port is not None and not is_loopback(metrics.host):
        cause = "Names of machines and how the service goes are there for everybody who reaches this machine"
        mend = "metrics.host: 127.0.0.1 with Prometheus on this machine; or a firewall that lets only Prometheus in"
        return warn(LISTENING, f"{metrics.host}:{metrics.port} shows /metrics without a password", cause, mend)
    told = [f"{name} at {at.host}:{at.port}" for name, at in (("api", api), ("metrics", metrics)) if at.port]
    return ok(LISTENING, ", ".join(told))


def _asked(host: str, port: int, timeout_s: float) -> int:
    """The status of an answer to a stranger; 0 where there is none."""
    import httpx

    # What listens everywhere is reached at this machine's own address.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared
    try:
        return httpx.get(f"http://{name}:{port}{_QUESTION}", timeout=timeout_s, trust_env=False).status_code
    except (httpx.HTTPError, OSError):
        return 0


def _should_answer(scene: Scene) -> bool:
    """Whether a service, with all that belongs to it, runs here for long enough."""
    reports = read_reports(scene.data_dir, scene.clock.wall_ns() / 1e9)
    supervised = {process.pid for process in children(scene.data_dir) if is_tocsin(process.parent)}
    return bool(supervised) and not process.settling(scene.data_dir, reports)
