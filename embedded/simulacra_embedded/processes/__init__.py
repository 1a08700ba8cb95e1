"""Local processes: children, sessions in /proc, bounded logs, and `main` of a cluster program."""
