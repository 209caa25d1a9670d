"""What operators see: events, and the log, which is the first to be told of each."""
