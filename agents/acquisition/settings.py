"""Names that the settings of several sources share; nothing heavy, for the configuration is read in every process."""

from typing import Literal

Fold = Literal["reject", "first", "second"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns"]
#: Labels of benchmarks: whoever reads them as channels has trained on the answers.
IGNORED = ("anomaly", "changepoint", "label")
