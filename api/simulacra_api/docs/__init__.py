"""Documentation that the API serves: OpenAPI, page, llms.txt, error catalog."""
