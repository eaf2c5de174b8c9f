"""Upkeep: what keeps a hotel at work over the days: tasks for people, the business date, health."""
