"""Who can be told: the configuration and what the log says, in its order."""

from typing import Any

import pytest

from agents.notification.delivery.registry import Registry, expired
from contracts.errors import NotFound, Refused
from contracts.events import SubscriberChanged, SubscriberRemoved, SubscriberSet
from contracts.subscribed import SubscriberState
from contracts.subscribers import outlined, subscriber

HOOK = {"kind": "webhook", "url": "https://receiver.example/hook"}


def was_set(name: str, spec: dict[str, Any], time: int = 1) -> SubscriberSet:
    return SubscriberSet.of(cause="test", time=time, asset=name, name=name, spec=spec, by="ann")


def changed(name: str, state: SubscriberState, why: str = "", time: int = 1) -> SubscriberChanged:
    return SubscriberChanged.of(
        cause="test", time=time, asset=name, discriminator=state, name=name, state=state, by="ann", why=why
    )


def removed(name: str) -> SubscriberRemoved:
    return SubscriberRemoved.of(cause="test", time=1, asset=name, name=name, by="ann")


def test_the_last_word_of_the_log_counts() -> None:
    registry = Registry()
    assert registry.apply([was_set("a", HOOK), changed("a", "paused", "holiday", time=2)]) == {"a"}
    assert (registry.known("a").state, registry.known("a").why) == ("paused", "holiday")
    registry.apply([was_set("a", HOOK | {"timeout": 3.0}, time=3)])
    assert (registry.known("a").state, registry.known("a").since) == ("active", 3)
    assert registry.subscriber("a").timeout == 3
    registry.apply([removed("a")])
    with pytest.raises(NotFound):
        registry.known("a")
    registry.apply([changed("a", "paused")])
    assert "a" not in registry, "who is gone does not come back by being paused"


def test_the_configuration_owns_its_names_and_the_log_their_pauses() -> None:
    registry = Registry({"a": subscriber(HOOK | {"timeout": 7.0})})
    registry.apply([was_set("a", HOOK | {"timeout": 3.0}), removed("a"), changed("a", "disabled", "500")])
    assert registry.subscriber("a", {}).timeout == 7
    assert registry.known("a").state == "disabled"


def test_secrets_come_from_elsewhere_and_are_in_no_error() -> None:
    registry = Registry()
    registry.apply([was_set("a", {"kind": "apprise"}), was_set("b", HOOK)])
    with pytest.raises(Refused, match="url: Field required"):
        registry.subscriber("a", {})
    assert registry.subscriber("a").kind == "apprise", "whoever only looks needs none"
    assert "canary" in registry.subscriber("a", {"url": "json://canary"}).url.get_secret_value()  # type: ignore[union-attr] # it is of the kind apprise
    with pytest.raises(Refused) as caught:
        registry.subscriber("b", {"secret": "canary"})
    assert "secret: Value error, must be whsec_" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_no_kind_writes_a_secret_into_the_log() -> None:
    """Every field that can hold a secret is named as one."""
    from contracts import subscribers as known

    for kind in known._KINDS.values():
        hidden = {name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)}
        assert hidden == set(kind.secrets), kind
    made = subscriber(HOOK | {"secret": "whsec_" + "Y2FuYXJ5" * 4, "authorization": "canary"})
    assert made.public() == HOOK


def test_a_subscription_ends_at_its_time() -> None:
    found = outlined(HOOK | {"expires": "2026-01-01T00:00:00Z"})
    at = 1_767_225_600 * 1_000_000_000
    assert [expired(found, at - 1), expired(found, at)] == [False, True]
    assert not expired(outlined(HOOK), at)
