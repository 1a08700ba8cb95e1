"""HTTP mechanics shared by all routes: problems, entity tags, pagination, ranges, middleware."""
