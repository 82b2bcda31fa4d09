"""The anomaly agents: score accepted readings with the detector of a model bundle, by series or by asset."""

from .anomaly import Anomaly as Anomaly
from .assets import Assets as Assets
