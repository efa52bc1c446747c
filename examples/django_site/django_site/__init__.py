"""The project: settings, the routes and the WSGI callable that a server is pointed at."""
