"""The harness of the black-box tests.

``http``      a strict HTTP/1.1 client over a raw socket
``live``      a server in this process, its applications written in the test itself
``process``   a server in a process of its own, started through the command line
``parity``    headwaiter and Waitress side by side
``recorder``  an application that keeps what it was called with
``procfs``    memory, processor time and descriptors of a process
``waiting``   for what tells nobody that it happened
``target``    which server is under test: headwaiter, or Waitress to validate the tests themselves
``apps``      applications that server processes load by name
"""
