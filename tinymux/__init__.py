"""Sixteen ATtiny10s behind one USB cable, each with its own Linux network interface."""

from __future__ import annotations
