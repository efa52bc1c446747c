"""What is done for a release: wheels for every interpreter, each tried, and the checks of a tag.

``python -m release --help`` lists the commands. `RELEASING.md` says when they are run. The package
is part of the checkout only; no wheel contains it.
"""
