"""The one application of the example: notes, files, a stream, and views that wait or compute."""
