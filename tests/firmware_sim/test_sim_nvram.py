"""The memory file of a simulated device: all of a change or nothing, whatever ends the program."""

from pathlib import Path

import pytest

from firmware_sim import nvram
from firmware_sim.nvram import Nvram, StorageFault


def test_what_was_put_is_there_after_a_new_start(tmp_path: Path) -> None:
    first = Nvram(tmp_path / "a" / "lock")
    first.put({"floor": 5, "e/1": [1]})
    first.put({"e/1": None, "e/2": [2]})
    first.close()
    again = Nvram(tmp_path / "a" / "lock")
    again.close()
    assert again.table == {"floor": 5, "e/2": [2]}
    assert again.section("e") == {"2": [2]}


@pytest.mark.parametrize("kept", range(1, 30))
def test_a_line_that_was_cut_off_counts_as_never_written(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "lock"
    first = Nvram(file)
    first.put({"floor": 5})
    whole = file.stat().st_size
    first.put({"floor": 6, "generation": 7})
    first.close()
    with file.open("r+b") as cut:
        cut.truncate(min(whole + kept, file.stat().st_size - 2))
    again = Nvram(file)
    assert again.table == {"floor": 5}
    again.put({"floor": 8})
    again.close()
    last = Nvram(file)
    last.close()
    assert last.table == {"floor": 8}


def test_a_long_file_is_rewritten_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvram, "SLACK", 10)
    memory = Nvram(tmp_path / "lock")
    for turn in range(95):
        memory.put({"seq": turn, f"e/{turn % 3}": turn})
    memory.close()
    assert len((tmp_path / "lock").read_bytes().split(b"\n")) < 20
    again = Nvram(tmp_path / "lock")
    again.close()
    assert again.table == memory.table


def test_a_refused_write_changes_nothing() -> None:
    memory = Nvram(None)
    memory.put({"floor": 5})
    memory.fail_writes = 1
    with pytest.raises(StorageFault) as fault:
        memory.put({"floor": 6})
    assert fault.value.code == "STORAGE_FAULT"
    memory.full = True
    with pytest.raises(StorageFault) as fault:
        memory.put({"floor": 6})
    assert fault.value.code == "RESOURCE_EXHAUSTED"
    assert memory.table == {"floor": 5}


def test_a_wiped_file_is_empty_and_usable(tmp_path: Path) -> None:
    memory = Nvram(tmp_path / "lock")
    memory.put({"floor": 5})
    memory.wipe()
    memory.put({"floor": 1})
    memory.close()
    again = Nvram(tmp_path / "lock")
    again.close()
    assert again.table == {"floor": 1}
