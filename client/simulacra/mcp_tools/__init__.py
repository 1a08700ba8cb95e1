"""Tools of the MCP server, by topic: tables, rows, questions, and what all resources have."""
