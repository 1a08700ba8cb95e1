"""Descriptions of tables: what the user states is applied, and all that was found is returned."""
