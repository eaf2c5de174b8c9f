"""One connection shared by many devices; moves frames and knows no device."""
