"""``headwaiter migrate``, and what the options of other servers are called here."""
