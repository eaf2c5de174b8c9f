"""Orders, rooms, folios and pages for every property; one folder per capability."""
