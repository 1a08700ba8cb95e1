"""The pages that people look at: the custody map and the console, with their assets, served by the API itself."""
