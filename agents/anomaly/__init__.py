"""The anomaly agent: scores accepted readings with the detector of a model bundle."""

from .anomaly import Anomaly as Anomaly
