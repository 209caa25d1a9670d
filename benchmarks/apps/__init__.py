"""The sites that are measured, each the same greeting; how they are served is in `benchmarks/servers.py`."""
