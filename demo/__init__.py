"""Starts and stops a whole hotel, and runs scenarios through public interfaces only."""
