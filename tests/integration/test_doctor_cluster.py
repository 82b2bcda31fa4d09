"""The doctor on several servers: it looks at every primary, and names the one that is worst off."""

from pathlib import Path

from console.checks.finding import Finding
from console.doctor import examination
from console.options import Choices
from tests.conftest import Servers, emptied

SETTINGS = """
redis: {{url: '{url}', wait_replicas: {replicas}}}
mlflow: {{uri: 'sqlite:///{folder}/m.db'}}
agents: {{}}
"""


async def examined(url: str, folder: Path, replicas: int = 0) -> dict[str, Finding]:
    file = folder / "tocsin.yaml"
    file.write_text(SETTINGS.format(url=url, replicas=replicas, folder=folder))
    found = await examination(Choices(config=file, data_dir=folder / "data"), quick=True)
    return {finding.check: finding for finding in found}


async def test_the_primary_that_is_worst_off_is_named(servers: Servers, tmp_path: Path) -> None:
    cluster = servers.cluster
    await (await emptied(cluster)).close()
    node = cluster.primary_of(0)
    node.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    node.ask("CONFIG", "SET", "maxmemory", int(node.said("memory")["used_memory"]) * 100 // 90)
    try:
        found = await examined(cluster.url, tmp_path)
    finally:
        node.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        node.ask("CONFIG", "SET", "maxmemory", "512mb")
    name = f"127.0.0.1:{node.port}"
    assert (found["redis"].status, found["redis.role"].status, found["redis.persistence"].status) == ("ok",) * 3
    assert (found["redis.eviction"].status, found["redis.eviction"].found.startswith(name)) == ("fail", True)
    assert (found["redis.memory"].status, found["redis.memory"].found.startswith(name)) == ("fail", True)


async def test_replicas_that_are_waited_for_must_be_there(servers: Servers, tmp_path: Path) -> None:
    url = servers.cluster.url
    assert (await examined(url, tmp_path))["redis.replicas"].status == "ok"
    assert (await examined(url, tmp_path, 1))["redis.replicas"].status == "warn", "one fails, and everything waits"
    assert (await examined(url, tmp_path, 2))["redis.replicas"].status == "fail"


async def test_buffers_without_a_limit_are_said(servers: Servers, tmp_path: Path) -> None:
    cluster = servers.cluster
    assert (await examined(cluster.url, tmp_path))["redis.buffers"].status == "warn", "the server's default"
    for node in cluster.nodes:
        node.ask("CONFIG", "SET", "client-output-buffer-limit", "normal 64mb 32mb 30")
    assert (await examined(cluster.url, tmp_path))["redis.buffers"].status == "ok"
