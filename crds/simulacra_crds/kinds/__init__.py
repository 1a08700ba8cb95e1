"""The custom resources as pydantic models, one module a kind; `registry` lists them."""
