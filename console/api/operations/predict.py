"""The operations that score on request."""

from ..messages.predict import BatchRequest, Models, Prediction, Predictions, PredictRequest
from .operation import Operation

_ML = "/api/v1/ml"

PREDICT = (
    Operation("get", f"{_ML}/models", "models", "Models that can be named", Models, role="viewer"),
    Operation(
        "post", f"{_ML}/predict", "predict", "Score one row", Prediction, PredictRequest,
        codes=("409",), role="viewer", reads=True,
    ),
    Operation(
        "post", f"{_ML}/predict/batch", "batch", "Score many rows", Predictions, BatchRequest,
        codes=("409",), role="viewer", reads=True,
    ),
)  # fmt: skip
