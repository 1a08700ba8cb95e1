"""REST front door: writes custom resources, streams bytes through custody. It keeps no state of its own."""
