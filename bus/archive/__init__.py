"""What the server no longer has: Parquet files by stream, partition and day, verified and never changed."""

from .archive import Archive as Archive
from .checkpoints import Checkpoints as Checkpoints
from .segment import Segment as Segment
