"""Where a GATT tree lies on the bus: paths, handles and first properties. Pure.

Clients cut these paths by position: `/serviceXXXX/charXXXX/descXXXX` with exactly four hex digits each.
"""

from collections.abc import Iterator, Sequence

from dbus_fast import Variant

from firmware_sim.bluez.objects import Interfaces
from firmware_sim.bluez.peripheral import Characteristic, GattService, assigned

SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
DESCRIPTOR = "org.bluez.GattDescriptor1"
_FIRST_HANDLE = 0x0010  # below lie Generic Access and Generic Attribute, which BlueZ keeps to itself
_CLIENT_CONFIGURATION = assigned(0x2902)


def notifies(characteristic: Characteristic) -> bool:
    """Return whether it can be subscribed to."""
    return "notify" in characteristic.flags or "indicate" in characteristic.flags


def laid_out(device: str, services: Sequence[GattService], mtu: int) -> Iterator[tuple[str, Interfaces]]:
    """Yield path and interfaces of every object below the device at path `device`, parents first."""
    handle = _FIRST_HANDLE
    for service in services:
        service_path = f"{device}/service{handle:04x}"
        yield service_path, {SERVICE: _service(service, device)}
        handle += 1
        for characteristic in service.characteristics:
            path = f"{service_path}/char{handle:04x}"
            yield path, {CHARACTERISTIC: _characteristic(characteristic, service_path, mtu)}
            handle += 2  # declaration and value
            if notifies(characteristic):
                yield f"{path}/desc{handle:04x}", {DESCRIPTOR: _descriptor(path)}
                handle += 1


def _service(service: GattService, device: str) -> dict[str, Variant]:
    return {
        "UUID": Variant("s", service.uuid),
        "Device": Variant("o", device),
        "Primary": Variant("b", True),
        "Includes": Variant("ao", []),
    }


def _characteristic(characteristic: Characteristic, service: str, mtu: int) -> dict[str, Variant]:
    properties = {
        "UUID": Variant("s", characteristic.uuid),
        "Service": Variant("o", service),
        "Value": Variant("ay", b""),
        "Flags": Variant("as", list(characteristic.flags)),
        "MTU": Variant("q", mtu),
    }
    if notifies(characteristic):
        properties |= {"Notifying": Variant("b", False), "NotifyAcquired": Variant("b", False)}
    if "write-without-response" in characteristic.flags:
        properties["WriteAcquired"] = Variant("b", False)
    return properties


def _descriptor(characteristic: str) -> dict[str, Variant]:
    return {
        "UUID": Variant("s", _CLIENT_CONFIGURATION),
        "Characteristic": Variant("o", characteristic),
        "Value": Variant("ay", b""),
    }
