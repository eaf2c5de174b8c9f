"""Scenarios: given, when, then files that are run against a hotel through public interfaces only."""
