"""The documentation: its code runs, its commands exist, its site can be built.

- ``blocks.py`` reads the pages; ``plans.py`` says what is done with each block.
- ``table.py`` has what is known of programs, modules and names: the one place to extend.
- ``commands.py``, ``python_block.py``, ``formats.py`` and ``checks.py`` do it.
- ``python -m tests.docs`` prints what is done with each block, and the numbers.
"""
