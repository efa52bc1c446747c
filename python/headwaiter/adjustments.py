"""The table of adjustments, for programs that read it."""

from __future__ import annotations

from headwaiter._settings.table import ADJUSTMENTS, BY_NAME, GROUPS, Adjustment

__all__ = ["ADJUSTMENTS", "BY_NAME", "GROUPS", "Adjustment"]
