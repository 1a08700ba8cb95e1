"""Rules that a description states: checked in the upload, kept in every generated row."""
