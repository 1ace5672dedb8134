"""The web in front of the tinies."""

from __future__ import annotations

from tinymux.web.nginx import Listener, Nginx

__all__ = ["Listener", "Nginx"]
