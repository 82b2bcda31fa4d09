"""Every operation of the interface, as OpenAPI describes it from here; one module for each kind of thing."""

from .alerts import ALERTS
from .events import EVENTS
from .fleet import FLEET
from .health import HEALTH
from .letters import LETTERS
from .lineage import LINEAGE
from .models import MODELS
from .predict import PREDICT
from .replays import REPLAYS
from .series import SERIES
from .session import SESSION
from .streams import STREAMS
from .subscribers import SUBSCRIBERS

OPERATIONS = (
    *PREDICT,
    *SESSION,
    *EVENTS,
    *ALERTS,
    *LINEAGE,
    *SUBSCRIBERS,
    *STREAMS,
    *LETTERS,
    *MODELS,
    *HEALTH,
    *FLEET,
    *SERIES,
    *REPLAYS,
)
