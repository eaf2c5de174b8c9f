"""A simulated BlueZ on a bus of its own: unmodified bleak finds and uses simulated devices by DBUS_SYSTEM_BUS_ADDRESS alone."""
