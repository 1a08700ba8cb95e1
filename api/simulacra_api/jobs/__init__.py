"""Jobs: progress, waiting, server-sent events and cancellation."""
