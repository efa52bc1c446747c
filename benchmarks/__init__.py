"""Side-by-side measurements of headwaiter and the servers its users would otherwise run."""
