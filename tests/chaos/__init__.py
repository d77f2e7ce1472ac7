"""The whole loop under load while processes are killed, and an audit that trusts none of them."""
