"""The process that watches files for ``reload``; ``_parent/watcher.py`` starts it."""
