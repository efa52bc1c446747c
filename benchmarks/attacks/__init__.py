"""Clients that want more than their share, and what they cost everybody else.

`kinds` has a module per attack; `measure` runs one against a fresh server while `watchdog`, a
process of its own, asks for what honest clients ask for. Loopback only; every attack is bounded in
time, bytes and count, and ends by itself.
"""
