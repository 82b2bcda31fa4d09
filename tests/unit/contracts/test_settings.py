"""Settings: where a value comes from, what is refused and where it says so, and that no secret gets out."""

import re
from pathlib import Path

import pytest

from contracts.errors import ConfigError
from contracts.settings import MAX_SECRET_BYTES, Settings, config_path, load, masked
from contracts.yamlfile import MAX_BYTES

CANARY = "canary-7c1e"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of whoever runs the tests, and no ./tocsin.yaml."""
    import os

    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


def problems_of(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file)
    return error.value.problems


# ---------------------------------------------------------------- where a value comes from


def test_a_value_comes_from_the_first_that_names_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("redis: {timeout_s: 1, maxmemory_mb: 100, fsync: always}\nbus: {partitions: 2}\n")
    secret = file.with_name("secret")
    secret.write_text("2\n")
    monkeypatch.setenv("TOCSIN_REDIS__TIMEOUT_S_FILE", str(secret))
    assert load(file)[0].redis.timeout_s == 2, "a secret file before the YAML file"
    monkeypatch.setenv("TOCSIN_REDIS__TIMEOUT_S", "3")
    assert load(file)[0].redis.timeout_s == 3, "the environment before a secret file"
    settings, _ = load(file, {"redis": {"timeout_s": 4}})
    assert settings.redis.timeout_s == 4, "the command line before the environment"
    assert settings.redis.maxmemory_mb == 100, "the others of a section stay"
    assert settings.redis.fsync == "always"
    assert settings.bus.partitions == 2
    assert settings.bus.lease_s == Settings.model_fields["bus"].default.lease_s


def test_a_secret_file_loses_its_line_end_and_nothing_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("")
    secret = file.with_name("secret")
    secret.write_text("  pass word \r\n")
    monkeypatch.setenv("TOCSIN_REDIS__PASSWORD_FILE", str(secret))
    password = load(file)[0].redis.password
    assert password is not None
    assert password.get_secret_value() == "  pass word "


def test_an_agents_own_secret_can_come_from_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("agents: {acquisition: {sources: {push: {kind: http}}}}\n")
    secret = file.with_name("secret")
    secret.write_text(CANARY)
    monkeypatch.setenv("TOCSIN_AGENTS__ACQUISITION__SOURCES__PUSH__TOKEN_FILE", str(secret))
    own = load(file)[0].agents["acquisition"].own
    assert own["sources"]["push"] == {"kind": "http", "token": CANARY}


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "cannot read"), (b"x" * (MAX_SECRET_BYTES + 1), "larger"), (b"xxxx\xff", "not UTF-8")],
)
def test_a_bad_secret_file_is_named_with_its_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, expected: str
) -> None:
    secret = file.with_name("secret")
    if content is not None:
        secret.write_bytes(content)
    monkeypatch.setenv("TOCSIN_REDIS__PASSWORD_FILE", str(secret))
    (problem,) = problems_of(file, "")
    assert "TOCSIN_REDIS__PASSWORD_FILE" in problem
    assert expected in problem
    assert "xxxx" not in problem


def test_the_file_is_the_given_one_the_named_one_the_local_one_or_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config_path(None).parts[-2:] == ("config", "default.yaml")
    (tmp_path / "tocsin.yaml").write_text("")
    assert config_path(None) == Path("tocsin.yaml")
    monkeypatch.setenv("TOCSIN_CONFIG_FILE", "named.yaml")
    assert config_path(None) == Path("named.yaml")
    assert config_path(Path("given.yaml")) == Path("given.yaml")


# ---------------------------------------------------------------- what is refused, and where


def test_every_problem_is_reported_at_once_with_its_line(file: Path) -> None:
    text = (
        "redis:\n  url: http://x\n  timeout: 3\nbus:\n  partitions: many\n  lease_s: -1\nagents:\n  a/b: {}\nlogs: {}\n"
    )
    problems = problems_of(file, text)
    found = {re.sub(rf"^{file}:(\d+): ([\w.]+): .*", r"\1 \2", problem, flags=re.DOTALL) for problem in problems}
    assert found == {
        *("2 redis.url", "3 redis.timeout", "5 bus.partitions", "6 bus.lease_s", "7 agents", "9 logs"),
    }
    assert "no such setting" in next(problem for problem in problems if "redis.timeout" in problem)


def test_a_problem_of_the_environment_names_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BUS__PARTITIONS", "0")
    (problem,) = problems_of(file, "bus: {lease_s: 3}\n")
    assert problem.startswith("environment TOCSIN_BUS__PARTITIONS: bus.partitions: ")


def test_a_section_from_the_environment_that_is_not_json_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_REDIS", "{" + CANARY)
    (problem,) = problems_of(file, "")
    assert "redis" in problem
    assert CANARY not in problem


@pytest.mark.parametrize("value", [".inf", ".nan", "-.inf", "1e400"])
def test_infinity_and_nan_are_no_settings(file: Path, value: str) -> None:
    problems = problems_of(file, f"bus: {{lease_s: {value}}}\nredis: {{timeout_s: {value}}}\n")
    assert [problem.split(": ")[1] for problem in problems] == ["redis.timeout_s", "bus.lease_s"]


def test_a_key_that_is_named_twice_is_refused_with_the_second_line(file: Path) -> None:
    problems = problems_of(file, "bus:\n  partitions: 1\n  partitions: 2\nredis: {}\nredis: {}\n")
    assert problems == [f"{file}:3: bus.partitions: named twice", f"{file}:5: redis: named twice"]


def test_an_alias_bomb_is_refused_before_it_is_written_out(file: Path) -> None:
    levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    levels += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (problem,) = problems_of(file, "\n".join(levels))
    assert "aliases" in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2]", ":1: must be a mapping"),
        ("a: [1\nb: 2\n", ":2: not YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", ":1: a value cannot be read"),
        ("a: !!float abc\n", "a value cannot be read"),
        ("a: !!timestamp abc\n", "a value cannot be read"),
        ("data_dir: 2001-99-99\n", "a value cannot be read"),
        ("bus: {<<: [1, 2]}\n", ":1: a value cannot be read"),
        ("x: " + "[" * 2000 + "]" * 2000, "not YAML"),
        ("a: &a [*a]\n", "nested too deeply"),
        ("a: \0\n", "not YAML"),
        ("\n1: x\n", ":2: a name must be text"),
        ("on: x\n", ":1: a name must be text"),
        ("? [a]\n: b\n", ":1: a name must be text"),
    ],
)
def test_what_is_not_a_configuration_is_refused(file: Path, text: str, expected: str) -> None:
    problems = problems_of(file, text)
    assert any(expected in problem for problem in problems)
    assert all(str(file) in problem for problem in problems)


def test_a_huge_file_is_refused_without_reading_it(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(20 * 2**30)  # sparse: it takes no room, but reading it would
    with pytest.raises(ConfigError) as error:
        load(file)
    assert f"larger than {MAX_BYTES:,}" in error.value.problems[0]


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"some\.yaml: cannot be read: No such file"):
        load(file)


def test_an_empty_file_gives_the_defaults(file: Path) -> None:
    file.write_text("# nothing\n")
    assert load(file)[0] == Settings.model_construct()


def test_one_load_leaves_nothing_behind_for_the_next(file: Path) -> None:
    file.write_text("bus: {partitions: 3}\n")
    assert load(file)[0].bus.partitions == 3
    other = file.with_name("other.yaml")
    other.write_text("")
    assert load(other)[0].bus.partitions == 8


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:canary-7c1e@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://user:canary-7c1e@h/0", "redis://user:***@h/0"),
        ("redis://user:a@canary-7c1e@h/0", "redis://user:***@h/0"),
        ("https://h/x?token=canary-7c1e&b=canary-7c1e", "https://h/x?token=***&b=***"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("sqlite:////var/lib/mlflow.db", "sqlite:////var/lib/mlflow.db"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert masked(url) == expected


def test_no_secret_is_shown_printed_or_told(file: Path) -> None:
    file.write_text(
        f"redis: {{url: 'redis://u:{CANARY}@h/0', password: {CANARY}}}\n"
        f"mlflow: {{uri: 'https://u:{CANARY}@h/?key={CANARY}'}}\n"
    )
    settings, _ = load(file)
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == CANARY, "it is there"
    assert CANARY not in str(settings.shown())
    assert CANARY not in str(settings.redis.password)


@pytest.mark.parametrize(
    "text",
    [
        f"redis: {{url: 'ftp://u:{CANARY}@h'}}",
        f"redis: {{password: [{CANARY}]}}",
        f"redis: {{timeout_s: {CANARY}}}",
        f"nonsense: {CANARY}",
    ],
)
def test_an_error_never_repeats_the_value(file: Path, text: str) -> None:
    problems = problems_of(file, text)
    assert problems
    assert CANARY not in str(problems)
