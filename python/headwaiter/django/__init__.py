"""headwaiter in Django: ``INSTALLED_APPS += ["headwaiter.django"]``.

``manage.py headwaiter`` serves the site (``management/commands/headwaiter.py``), ``manage.py
runserver --headwaiter`` does so during development (``management/commands/runserver.py``).
``middleware.py`` is of use without the app, too.
"""
