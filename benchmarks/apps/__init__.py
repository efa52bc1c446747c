"""The WSGI applications under measurement; every peer serves exactly these."""
