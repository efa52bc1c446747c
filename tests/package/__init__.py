"""Tests of the Python package: settings, command line, servers' lives, logging, signals."""
