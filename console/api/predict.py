"""``/api/v1/ml``: scores from the bundles that are served, loaded and checked the same way."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body
from agents.web.refusal import Refused, refusal
from contracts.errors import BundleRefused, NotFound, Unavailable
from models.cache import BundleCache

from ..catalog import Catalog, Model, Unknown
from .answering import answer, down, parsed
from .messages.predict import BatchRequest, Known, Models, Prediction, Predictions, PredictRequest, Used, Wanted

if TYPE_CHECKING:
    from models.prediction import Predictor, Scored

M = TypeVar("M", bound=BaseModel)


class Predict:
    """The routes; ``keep`` bundles stay loaded."""

    def __init__(self, catalog: Catalog, cache: BundleCache, body: Body, keep: int) -> None:
        self._catalog, self._cache, self._body, self._keep = catalog, cache, body, keep
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        self._loading = anyio.Lock()

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/api/v1/ml/models", self.models, methods=["GET"]),
            Route("/api/v1/ml/predict", self.predict, methods=["POST"]),
            Route("/api/v1/ml/predict/batch", self.batch, methods=["POST"]),
        ]

    async def models(self, _: Request) -> Response:
        """What can be named."""
        try:
            await self._catalog.refresh()
        except Unavailable as error:
            return refusal(down(error))
        known = self._catalog.known().items()
        return answer(
            Models(models=[Known(name=name, versions=own, aliases=aliases) for name, (own, aliases) in known])
        )

    async def predict(self, request: Request) -> Response:
        """One row."""
        try:
            asked = parsed(PredictRequest, await self._body.read(request))
            model, predictor = await self._predictor(asked.model)
            found = await _scored(predictor, {name: [value] for name, value in asked.features.items()})
        except Refused as refused:
            return refusal(refused)
        score = float(found.score[0])
        shares = dict(zip(predictor.names, found.contributions[0].tolist(), strict=True))
        alarm = score >= predictor.threshold
        return answer(Prediction(model=_used(model, predictor), score=score, alarm=alarm, contributions=shares))

    async def batch(self, request: Request) -> Response:
        """Many rows."""
        try:
            asked = parsed(BatchRequest, await self._body.read(request))
            model, predictor = await self._predictor(asked.model)
            found = await _scored(predictor, asked.features)
        except Refused as refused:
            return refusal(refused)
        scores = found.score.tolist()
        alarms = [score >= predictor.threshold for score in scores]
        return answer(Predictions(model=_used(model, predictor), scores=scores, alarms=alarms))

    async def _predictor(self, wanted: Wanted) -> "tuple[Model, Predictor]":
        if wanted.bundle is not None:
            model = Model(wanted.bundle)
        else:
            try:
                await self._catalog.refresh()
            except Unavailable as error:
                raise down(error) from error
            try:
                model = self._catalog.find(wanted.name or "", wanted.version or "", wanted.alias or "")
            except Unknown as error:
                raise Refused(404, str(error.args[0]), error.mend, error.kind) from error
        async with self._loading:
            if model.bundle not in self._loaded:
                self._loaded[model.bundle] = await anyio.to_thread.run_sync(partial(self._load, model.bundle))
            self._loaded.move_to_end(model.bundle)
            while len(self._loaded) > self._keep:
                self._loaded.popitem(last=False)
            return model, self._loaded[model.bundle]

    def _load(self, digest: str) -> "Predictor":
        from models.prediction import Predictor

        try:
            return Predictor.of(self._cache.get(digest))
        except NotFound as error:
            raise Refused(
                404, str(error.args[0]), "`tocsin models ls` lists what there is", "unknown bundle"
            ) from error
        except BundleRefused as error:
            raise Refused(409, str(error.args[0]), error.mend, f"bundle refused: {error.kind}") from error
        except Unavailable as error:
            raise Refused(503, str(error.args[0]), error.mend, "store down") from error


async def _scored(predictor: "Predictor", features: Mapping[str, Sequence[float]]) -> "Scored":
    from models.prediction import FeaturesRefused

    try:
        columns = predictor.columns(features)
    except FeaturesRefused as error:
        raise Refused(422, str(error.args[0]), error.mend, error.kind) from error
    # Large batches take a while, and others live on this loop as well.
    return await anyio.to_thread.run_sync(predictor.score, columns)


def _used(model: Model, predictor: "Predictor") -> Used:
    manifest = predictor.manifest
    return Used(
        bundle=model.bundle,
        name=model.name,
        version=model.version,
        detector=manifest.detector.kind,
        feature_set=manifest.feature_set_hash,
        environment=manifest.environment_hash,
        threshold=predictor.threshold,
    )
