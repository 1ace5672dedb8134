"""The web in front of the tinies."""

from __future__ import annotations

from tinymux.web.nginx import Listener, Nginx, Site
from tinymux.web.routes import Route, Routes

__all__ = ["Listener", "Nginx", "Route", "Routes", "Site"]
