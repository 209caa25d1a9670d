"""The example applications, run as a reader runs them: as processes, with a real realm."""
