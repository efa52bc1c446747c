"""The adjustments in force, for programs that look at them."""

from __future__ import annotations

from headwaiter._settings.adjustments import Adjustments, Effective

__all__ = ["Adjustments", "Effective"]
