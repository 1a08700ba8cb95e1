"""The contract of Simulacra: pydantic models of every custom resource and the bodies built from them."""
