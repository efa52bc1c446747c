"""Load that wrk cannot make: paced requests, and clients that idle, drip or read slowly."""
