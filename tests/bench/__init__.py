"""How fast the gateway is, beside others in the same run: `make bench`."""
