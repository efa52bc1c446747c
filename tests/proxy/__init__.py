"""``trusted_proxy`` and its companions over live sockets."""
