"""Exceptions that applications meet."""

from __future__ import annotations


class ClientDisconnected(ConnectionError):
    """The client has gone: raised by the ``write`` callable of ``start_response``."""
