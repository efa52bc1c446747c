"""What the site adds to the Markdown pages, so that these stay plain for readers on a code host.

- ``extension.py`` is what Sphinx loads.
- ``tree.py``: the navigation, in the order of ``docs/index.md``.
- ``checkout.py``: pages for linked source files and folders.
- ``reference.py``: the API reference, where a comment of a page asks for it.
- ``unbroken.py``: an option is not broken at its hyphens.
- ``check.py``: a program of its own that checks the finished site.
"""
