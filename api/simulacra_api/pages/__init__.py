"""The custody map and the console: two pages and their assets."""
