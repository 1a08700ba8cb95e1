"""Uploads: in one request or resumable, checked while they stream."""
