"""Settings: the table of adjustments, where their values come from, and the values in force."""
