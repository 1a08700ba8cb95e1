"""Causal discovery on mixed tables, within the user's knowledge."""

from simulacra_trainer.graph.causal_graph import CausalGraph, GraphEdge
from simulacra_trainer.graph.learn import learn_graph

__all__ = ["CausalGraph", "GraphEdge", "learn_graph"]
