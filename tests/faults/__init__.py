"""Faults in and around the server: bad applications, full disks, no descriptors, crowds of clients.

What an application raises is in ``tests/wsgi``, signals and the life of a server in
``tests/process``, bytes on the wire and single clients in ``tests/conformance``. Here is what takes
a machine to its limits: each test ends with the server as it was before, serving.
"""
