"""One file per web framework; none is imported by the core."""
