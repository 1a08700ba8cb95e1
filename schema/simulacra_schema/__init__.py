"""What a table, a question and an answer are: shapes and rules that every package shares."""
