"""What `tinymux sim` is made of: one tiny in the simulator, traffic for it, a look at it, a debugger's way in."""

from __future__ import annotations
