"""What is told of Tocsin itself: each gatherer once, behind the interface and the page."""

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from agents.web.body import Body
from models.stores import cache_of

from ..acting.letters import Letters
from ..acting.subscribers import Subscribed
from ..checkup import Checkup, doctors_errand
from ..configured import Configured
from ..deployed.bundles import Bundles
from ..deployed.deployed import Deployed
from ..errand import Errand
from ..page.health import HealthView
from ..page.models import ModelsView
from ..page.streams import StreamsView
from ..page.subscribers import SubscribersView
from ..streams.streams import Streams
from .health import HealthApi
from .letters import LettersApi
from .models import ModelsApi
from .streams import StreamsApi
from .subscribers import SubscribersApi

if TYPE_CHECKING:
    from .api import Application


def inside(application: "Application", body: Body) -> list[BaseRoute]:
    """The routes of streams, dead letters, models, subscribers and health."""
    bus, history, settings, page = application.bus, application.history, application.settings, application.page
    configured = Configured(settings, application.file)
    errand = None if application.program is None else Errand(application.program)
    streams, letters = Streams(bus, history, settings, configured), Letters(bus, history)
    deployed = Deployed(history, configured, Bundles(cache_of(settings.data_dir, settings.models)))
    subscribed, checkup = Subscribed(history, settings), Checkup(history, doctors_errand(errand, settings))
    return [
        *StreamsApi(streams).routes(),
        *LettersApi(letters, configured, body).routes(),
        *ModelsApi(bus, settings, deployed, body, errand).routes(),
        *SubscribersApi(bus, subscribed, body).routes(),
        *HealthApi(checkup, body).routes(),
        *StreamsView(page, streams, letters).routes(),
        *ModelsView(page, deployed).routes(),
        *SubscribersView(page, subscribed).routes(),
        *HealthView(page, checkup).routes(),
    ]
