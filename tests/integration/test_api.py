"""Scores on request: over a real socket, of bundles that a real log tells of."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest

from agents.web.serving import listening, server
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from console.api.application import Application
from contracts.events import Event, ModelPromoted, ModelPublished
from contracts.frames import encode
from contracts.settings import ApiSettings, Settings
from models.bundle import Bundle, build, builtin
from models.cache import BundleCache
from models.features import Windows
from models.kinds import component
from models.trained import TRAINED, Calibrated
from models.trained.numbers import draws
from tests.conftest import PARTITIONS, Servers, emptied

TOKEN = "a token of the test"


def fitted(features: Windows, seed: int) -> Bundle:
    """A bundle that was fitted to noise around 20."""
    names = features.names
    train = np.stack([20 + draws(seed, k, 2000) for k in range(len(names))], axis=1)
    detector, after = TRAINED["mahalanobis"](), Calibrated(alarms_per_10000=10)
    arrays = after.fit(detector, train)
    told = component(after)
    return build("pumps", detector, postprocessor=told, features=features, arrays=arrays, examples=train[:50])


FEATURES = Windows.model_validate(
    {
        "windows": {"1h": {"length_s": 3600}},
        "features": [{"kind": "mean", "window": "1h"}, {"kind": "std", "window": "1h"}],
    }
)


@dataclass
class Api:
    """The running interface, and what it knows."""

    url: str
    first: Bundle
    second: Bundle
    streaming: Bundle
    data_dir: Path

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", **headers}
        return httpx.post(f"{self.url}/api/v1{path}", content=data, headers=headers, timeout=30)

    def predict(self, model: dict[str, str], **features: Any) -> httpx.Response:
        return self.post("/ml/predict", {"model": model, "features": features or {"mean_1h": 20.0, "std_1h": 20.0}})


@pytest.fixture(scope="module")
def api(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    data_dir = tmp_path_factory.mktemp("api")
    bundles = [fitted(FEATURES, 1), fitted(FEATURES, 2), builtin("ewma")]
    for bundle in bundles:
        BundleCache(data_dir).put(bundle)
    live = servers.get("valkey")
    told: list[Event] = [
        ModelPublished.of(
            cause=str(number), time=number, asset="coordinator", name=name, model_version=version, bundle=bundle.digest,
            run_id="r",
        )
        for number, (name, version, bundle) in enumerate(
            [("pumps", "1", bundles[0]), ("pumps", "2", bundles[1]), ("single", "1", bundles[2])]
        )
    ]  # fmt: skip
    told.append(
        ModelPromoted.of(
            cause="x", time=9, asset="coordinator", name="pumps", alias="next", model_version="2",
            bundle=bundles[1].digest,
        )
    )  # fmt: skip

    async def prepare() -> None:
        bus = await emptied(live)
        for number, event in enumerate(told):
            await bus.append(Place(event.stream, number % PARTITIONS), list(encode([event], "test")))
        await bus.close()

    anyio.run(prepare)
    settings = Settings(data_dir=data_dir, api=ApiSettings.model_validate({"token": TOKEN, "max_body_bytes": 100_000}))
    listener = listening("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop: list[Any] = []

    async def serve() -> None:
        bus = RedisBus(connect(live.url), PARTITIONS)
        serving = server(Application(settings, bus).app(), 5)
        stop.append(serving)
        await serving.serve([listener])
        await bus.close()

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    yield Api(address, bundles[0], bundles[1], bundles[2], data_dir)
    stop[0].should_exit = True
    thread.join(20)
    listener.close()


def test_a_row_gets_the_score_that_the_bundle_gives(api: Api) -> None:
    """The order of the names does not matter, and what was loaded is told."""
    near, far = api.predict({"name": "pumps"}), api.predict({"name": "pumps"}, std_1h=90.0, mean_1h=20.0)
    assert (near.status_code, near.json()["alarm"]) == (200, False), near.text
    assert far.json()["alarm"] is True
    assert far.json()["contributions"]["std_1h"] > 0.9
    assert near.json()["model"]["bundle"] == api.first.digest
    detector, after = api.first.detector(), api.first.postprocessor()
    expected = after.judge(detector, api.first.arrays, np.array([[20.0, 20.0]])).score[0]
    assert near.json()["score"] == float(expected)


def test_many_rows_get_what_each_gets_alone(api: Api) -> None:
    """Bit for bit."""
    values = [19.0, 20.5, 60.0]
    features = {"mean_1h": values, "std_1h": values}
    many = api.post("/ml/predict/batch", {"model": {"name": "pumps"}, "features": features})
    alone = [api.predict({"name": "pumps"}, mean_1h=value, std_1h=value).json() for value in values]
    assert many.json()["scores"] == [each["score"] for each in alone]
    assert many.json()["alarms"] == [each["alarm"] for each in alone]


def test_a_model_is_chosen_by_version_alias_or_bundle(api: Api) -> None:
    """Each tells what it is."""
    second = api.second.digest
    wanted = ({"name": "pumps", "version": "2"}, {"name": "pumps", "alias": "next"}, {"bundle": second})
    assert [api.predict(model).json()["model"]["bundle"] for model in wanted] == [second] * 3


@pytest.mark.parametrize(
    ("model", "status", "kind"),
    [
        ({"name": "fans"}, 404, "unknown model"),
        ({"name": "pumps", "version": "7"}, 404, "unknown version"),
        ({"name": "pumps", "alias": "old"}, 404, "unknown alias"),
        ({"bundle": "0" * 64}, 404, "unknown bundle"),
        ({"name": "single"}, 409, "bundle refused: kind"),
        ({}, 422, "bad request"),
        ({"name": "pumps", "bundle": "0" * 64}, 422, "bad request"),
    ],
)
def test_what_is_wrong_with_the_model_is_told_apart(api: Api, model: dict[str, str], status: int, kind: str) -> None:
    """No two causes are folded into one."""
    answer = api.predict(model)
    assert (answer.status_code, answer.json()["kind"]) == (status, kind), answer.text
    assert answer.json()["mend"]


def test_a_damaged_bundle_is_refused_as_damaged(api: Api) -> None:
    """Not as unknown."""
    bundle = fitted(FEATURES, 3)
    folder = BundleCache(api.data_dir).put(bundle)
    data = bytearray((folder / "arrays.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "arrays.safetensors").write_bytes(data)
    answer = api.predict({"bundle": bundle.digest})
    assert (answer.status_code, answer.json()["kind"]) == (409, "bundle refused: digest"), answer.text


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        ({"mean_1h": 1.0}, "feature missing"),
        ({"mean_1h": 1.0, "std_1h": 1.0, "max_1h": 1.0}, "feature unknown"),
        ({"mean_1h": "1", "std_1h": 1.0}, "bad request"),
        ({"mean_1h": True, "std_1h": 1.0}, "bad request"),
        ({"mean_1h": None, "std_1h": 1.0}, "bad request"),
    ],
)
def test_what_is_wrong_with_the_features_is_told_apart(api: Api, features: dict[str, Any], kind: str) -> None:
    """Nothing is converted."""
    answer = api.predict({"name": "pumps"}, **features)
    assert (answer.status_code, answer.json()["kind"]) == (422, kind), answer.text


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e400"])
def test_numbers_that_are_none_are_refused(api: Api, number: bytes) -> None:
    """Python's own reader takes them."""
    body = b'{"model": {"name": "pumps"}, "features": {"mean_1h": %b, "std_1h": 1}}' % number
    answer = api.post("/ml/predict", body)
    assert answer.status_code == 400, answer.text


def test_columns_of_different_lengths_are_refused(api: Api) -> None:
    """Which value belongs to which row would be a guess."""
    features = {"mean_1h": [1.0], "std_1h": [1.0, 2.0]}
    answer = api.post("/ml/predict/batch", {"model": {"name": "pumps"}, "features": features})
    assert (answer.status_code, answer.json()["kind"]) == (422, "feature length")


def test_strangers_are_turned_away(api: Api) -> None:
    """Without a token, under another name, from another site, and with too much."""
    assert api.post("/ml/predict", {}, Authorization="Bearer wrong").status_code == 401
    assert api.post("/ml/predict", {}, Host="evil.example").status_code == 421
    assert api.post("/ml/predict", {}, Origin="https://evil.example").status_code == 403
    assert api.post("/ml/predict", b" " * 100_001).status_code == 413
    assert api.post("/nowhere", {}).status_code == 404


def test_the_description_names_every_answer_that_is_given(api: Api) -> None:
    """And lists what can be asked."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    document = httpx.get(f"{api.url}/api/v1/openapi.json", headers=headers).json()
    assert set(document["paths"]["/api/v1/ml/predict"]["post"]["responses"]) >= {"200", "400", "404", "409", "422"}
    models = httpx.get(f"{api.url}/api/v1/ml/models", headers=headers).json()["models"]
    known = [(model["name"], sorted(model["versions"])) for model in models]
    assert known == [("pumps", ["1", "2"]), ("single", ["1"])]
