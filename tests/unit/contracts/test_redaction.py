"""Secrets are hidden by name, by value and by what carries them; everything else stays as it is."""

from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from contracts.redaction import Redaction, redacted, secrets_in

CANARY = "canary-77a1"


@pytest.mark.parametrize(
    "text",
    [
        f"redis://u:{CANARY}@h/0 does not answer",
        f"redis://u:a@{CANARY}@h/0",
        f"tried https://h/x?token={CANARY}&page=2 twice",
        f"https://h/hook?api_key={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"Authorization: Basic {CANARY}",
        f"{{'authorization': 'Bearer {CANARY}'}}",
        f"sent bearer {CANARY}, refused",
        f"password={CANARY}, user=ann",
        f'{{"routing_key": "{CANARY}"}}',
        f"signed with whsec_{CANARY}",
    ],
)
def test_what_carries_a_secret_is_known_without_its_value(text: str) -> None:
    assert CANARY not in redacted(text)
    assert "***" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "unix:///run/valkey.sock",
        "https://h:8080/x?page=2",
        "https://grafana/d/a@b",
        "token 5 is fenced by token 6",
        "the bearer of bad news",
        "redis.password wants a file",
        "mail to ann@example.org",
        "",
    ],
)
def test_what_carries_none_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_value_that_is_known_is_hidden_wherever_it_stands_and_the_longest_first() -> None:
    found = Redaction()
    found.know(["abcdef", "abcdef-long", "abc", ""])
    assert found.text("xabcdef-longx abcdef abc") == "x***x *** abc"


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("password", "x", True),
        ("sentinel_password", 5, True),
        ("X-Api-Key", "x", True),
        ("token", "x", True),
        ("token", 17, False),
        ("password_file", "/run/x", False),
        ("secret", None, False),
        ("monkey", "x", False),
    ],
)
def test_names_say_what_is_secret(name: str, value: Any, hidden: bool) -> None:
    assert Redaction.secret(name, value) is hidden


def test_every_secret_of_a_configuration_is_found() -> None:
    class Inner(BaseModel, extra="allow"):
        key: SecretStr

    class Outer(BaseModel):
        inner: dict[str, Inner]
        urls: tuple[str, ...]
        nothing: SecretStr | None = None

    inner = Inner.model_validate({"key": "one", "deep": [{"token": "two"}], "name": "push"})
    tree = Outer(inner={"a": inner}, urls=("redis://u:three@h", "unix:///x", "https://h"))
    assert set(secrets_in(tree)) == {"one", "two", "three"}
