"""Agents of monitoring services, with their real packages and without a network.

Each test sees what the agent has made of a request that the server has served: on a collector of
its own on this machine, or in the agent's memory. ``docs/recipes/`` has what is tested here.
"""
