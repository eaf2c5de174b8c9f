"""A whole hotel of devices in software, written from the device sheets alone."""
