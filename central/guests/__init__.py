"""Guests: who they are, sealed field by field."""
