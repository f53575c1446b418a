from pathlib import Path

import pytest

from charrnn.files import cache_folder
from charrnn.recurrence.cuda import kernel_cache

CODE = b"\x7fELF machine code"


def stored(suffix: str) -> Path:
    return cache_folder() / "kernels" / f"key.{suffix}"


def test_machine_code_is_stored_under_its_key() -> None:
    assert kernel_cache.read_code("key") is None
    kernel_cache.write_code("key", CODE)
    assert kernel_cache.read_code("key") == CODE
    assert kernel_cache.read_code("other") is None
    assert [path.name for path in stored("cubin").parent.iterdir()] == ["key.cubin"]


@pytest.mark.parametrize("length", [0, 10, 32, 40])
def test_a_truncated_file_is_ignored_and_written_again(length: int) -> None:
    kernel_cache.write_code("key", CODE)
    kernel_cache.mark_correct("key")
    stored("cubin").write_bytes(stored("cubin").read_bytes()[:length])
    assert kernel_cache.read_code("key") is None
    assert not kernel_cache.is_correct("key")
    kernel_cache.write_code("key", CODE)
    assert kernel_cache.read_code("key") == CODE


def test_a_damaged_byte_is_detected() -> None:
    kernel_cache.write_code("key", CODE)
    data = bytearray(stored("cubin").read_bytes())
    data[-1] ^= 1
    stored("cubin").write_bytes(data)
    assert kernel_cache.read_code("key") is None


def test_only_the_machine_code_that_was_checked_counts_as_correct() -> None:
    kernel_cache.mark_correct("key")
    assert not kernel_cache.is_correct("key")
    kernel_cache.write_code("key", CODE)
    assert not kernel_cache.is_correct("key")
    kernel_cache.mark_correct("key")
    assert kernel_cache.is_correct("key")
    kernel_cache.write_code("key", CODE + b"!")
    assert not kernel_cache.is_correct("key")


def test_forget_removes_the_code_and_its_record() -> None:
    kernel_cache.write_code("key", CODE)
    kernel_cache.mark_correct("key")
    kernel_cache.forget("key")
    kernel_cache.forget("key")
    assert kernel_cache.read_code("key") is None
    assert not kernel_cache.is_correct("key")


def test_a_cache_that_cannot_be_written_is_not_used() -> None:
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file where the folder should be")
    kernel_cache.write_code("key", CODE)
    kernel_cache.mark_correct("key")
    kernel_cache.forget("key")
    assert kernel_cache.read_code("key") is None
