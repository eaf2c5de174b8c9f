"""Where orders come from: one module a channel or file format, over the same bookings as everybody."""
