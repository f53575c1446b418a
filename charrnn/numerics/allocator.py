"""The memory allocator of the C library."""

import ctypes
import platform
import sys


def keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed, instead of giving it back to the system.

    Memory fresh from the system costs a page fault for every 4 KiB. Elsewhere this does nothing.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return
    allocator = ctypes.CDLL(None)
    trim_threshold, mmap_threshold = -1, -3  # as malloc.h numbers them
    allocator.mallopt(mmap_threshold, 32 << 20)  # bytes; no larger value is allowed
    allocator.mallopt(trim_threshold, 2**31 - 1)
