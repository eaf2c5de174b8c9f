"""Shipped properties, hotels, scenarios and commented examples (package data)."""
