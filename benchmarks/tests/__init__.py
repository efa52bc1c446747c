"""Tests of the measuring itself: what it counts, how it ranks, that it ends what it starts."""
