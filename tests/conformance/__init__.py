"""Black-box conformance suite for WSGI servers: one command, any server, one table.

``python -m tests.conformance --server NAME`` starts the server in its own process with the
application in ``app/`` and runs every row of ``rows/`` against it over real sockets. A row has an
id, a sentence that says what must hold, and the source of that demand (an RFC section, PEP 3333, an
advisory, a peer's issue). Nothing here imports the server under test: what the suite knows about a
server is its command line (``launchers.py``).

* ``model.py``: rows, verdicts and the sections they are counted in.
* ``launchers.py``, ``process.py``: command lines; one server process that may hang or crash.
* ``replies.py``, ``client.py``: a strict parser of HTTP/1 replies and the sockets that feed it.
* ``app/``: the WSGI application every server runs. It keeps a journal of its calls in a file, which
  needs no free worker to be read and outlives a crash.
* ``rows/``: the demands. ``differential/``: heads compared with what h11 makes of them.
  ``catalogue.py``: all of them.
* ``runner.py``, ``report.py``: running rows, the table, and ``docs/conformance.md``.
"""
