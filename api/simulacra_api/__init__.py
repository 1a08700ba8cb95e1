"""REST API: writes custom resources, streams bytes through custody, keeps no state of its own."""
