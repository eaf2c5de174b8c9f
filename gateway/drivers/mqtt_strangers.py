"""Who speaks on the broker without being configured: the quarantine list's view of MQTT. Nothing that a stranger says has an effect.

Source: device sheets, MQTT binding: the account `join` may publish only to `hgw/v1/{property}/_join/{id}`; that, and a known account
that is not configured, is the quarantine list.
"""

from collections.abc import Callable, Collection

from gateway.buses.mqtt import Message, MqttBus
from gateway.device import Drops

EXCERPT = 120  # characters of what was said
JOIN = "_join"


def watch_strangers(mqtt: MqttBus, property_slug: str, known: Collection[str], drops: Drops) -> Callable[[], None]:
    """Tell `drops` of every device folder that is not in `known`, and of everybody who asks to join; return what ends it."""

    def heard(message: Message) -> None:
        parts = message.topic.split("/")
        device = parts[4] if parts[3] == JOIN else parts[3]
        if parts[3] == JOIN or device not in known:
            drops.stranger("mqtt", device[:64], message.payload[:EXCERPT].decode(errors="replace"))

    root = f"hgw/v1/{property_slug}"
    ends = [mqtt.subscribe(topic, heard) for topic in (f"{root}/{JOIN}/+", f"{root}/+/online", f"{root}/+/event")]

    def end() -> None:
        for one in ends:
            one()

    return end
