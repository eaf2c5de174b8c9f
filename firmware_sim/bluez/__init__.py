"""A simulated BlueZ on a bus of its own: unmodified bleak finds and uses simulated devices by DBUS_SYSTEM_BUS_ADDRESS alone.

    air = await start_air(Path("bluez.sock"), [peripheral, ...])      # firmware_sim.bluez.air; timings=QUICK in tests
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = air.address               # before bleak is used for the first time in its loop
    air.faults["C4:00:00:00:02:09"].connect_errors.append(REFUSED)    # firmware_sim.bluez.faults; at any time
    air.drop("C4:00:00:00:02:09"); air.bluez.adapter.power(False); air.bluez.adapter.slots = 3; air.bluez.stop(); air.bluez.restart()
    await air.stop()

From the wire up: frames (bytes of a message), handshake, connection (one client), match, driver and bus (routing);
objects, layout (what is shown), faults, peripheral (what a device is), subscriptions, characteristics, device, adapter,
service (who answers what), air (all of it running).
"""
