"""Rooms: the property and its doors, what is left to sell, which room a stay gets, how clean it is, and the board."""
