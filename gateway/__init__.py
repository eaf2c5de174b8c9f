"""The box in the hotel: devices in the south, central in the north, and a store of its own between them."""
