"""The REST door: writes custom resources and streams bytes through custody."""
