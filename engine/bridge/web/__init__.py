"""Pages of ours on Locust's web server: the Fleet, one station, downloads, and who may use them.

/fleet/          what happens, live
/fleet/station   one station, as on the product's own web page
/metrics         the fleet in numbers, for Prometheus
"""

from typing import Any

from engine.bridge.conductor import Conductor
from engine.bridge.web import guard, metrics, pages, tab
from engine.bridge.web.enquiries import Enquiries
from engine.bridge.web.live import Live


def install(web_ui: Any, conductor: Conductor) -> None:
    """Before Locust's server starts, and before anything else listens to its requests."""
    guard.install(web_ui)
    runner = web_ui.environment.runner
    live = Live(conductor, runner)
    pages.install(web_ui, conductor, live, Enquiries(conductor, runner))
    metrics.install(web_ui, live)
    tab.install(web_ui, live)
