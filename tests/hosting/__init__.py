"""The folder that `make hosting` builds, on hosts as bare as can be."""
