"""The one application of the example: jobs that take longer than a request should."""
