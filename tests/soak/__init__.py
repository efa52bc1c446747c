"""Mixed and hostile traffic against one server process, every reply checked byte for byte.

``python -m tests.soak --seconds 600 --seed 7`` (``make soak SECONDS=600``) starts a server with
small limits, so that bodies move to temporary files and workers meet the watermark, and lets a
crowd of seeded actors at it. Whatever goes wrong that an actor did not cause itself is unexplained,
and must not happen. In the end the server must hold no descriptor more than at its start, must have
closed every iterable once, and must leave with status 0.

``bodies``     bytes that both sides derive from a number
``app``        the application under load
``exchanges``  well-formed requests, each with the check of its reply
``scenarios``  what an actor does with them: well-behaved and slow clients
``hostile``    clients that break off, send nonsense, or vanish
``run``        the crowd, the measuring, the verdict
"""
