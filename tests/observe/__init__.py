"""What a running server says about itself: access log, admin endpoint, metrics, advice."""
