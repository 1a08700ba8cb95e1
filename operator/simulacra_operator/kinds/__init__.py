"""The custom resource kinds: state, decisions and status of each."""
