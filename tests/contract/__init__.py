"""The contract: behaviours that hold on every adapter, on every server."""
