"""Findings of all partitions, and the time, brought into one order for alerts to be made of."""

from .gather import Gather as Gather
from .ticker import Ticker as Ticker
