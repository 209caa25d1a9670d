"""The scripts that `make` runs."""
