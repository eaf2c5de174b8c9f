"""Agreement: equal entities have equal digests, and any difference shows."""

from hypothesis import given
from hypothesis import strategies as st

from wire.digest import digest

rows = st.lists(st.tuples(st.sampled_from(["stay", "room"]), st.text(max_size=4), st.binary(max_size=6)), unique_by=lambda row: row[:2])


@given(rows)
def test_the_order_in_which_entities_come_does_not_matter(found: list[tuple[str, str, bytes]]) -> None:
    shuffled = sorted(found, key=lambda row: row[2])
    assert digest(found) == digest(shuffled)


@given(rows.filter(bool), st.data())
def test_a_changed_missing_or_renamed_entity_changes_the_digest(found: list[tuple[str, str, bytes]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(found) - 1))
    kind, entity_id, body = found[at]
    rest = found[:at] + found[at + 1 :]
    assert digest(found) != digest(rest)
    assert digest(found) != digest([*rest, (kind, entity_id, body + b"x")])
    assert digest(found) != digest([*rest, (kind, entity_id + "xxxxx", body)])


def test_a_kind_without_entities_is_absent() -> None:
    assert digest([]) == {}
    assert digest([("stay", "s1", b"{}")])["stay"].count == 1
