"""The product on one machine: a small control plane, a Job runner and the real API and operator."""
