"""Documentation that the API serves: OpenAPI, pages, llms.txt, error catalog."""
