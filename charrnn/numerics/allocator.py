"""The memory allocator of the C library."""

import ctypes
import platform
import sys


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the operating system.

    New memory from the system costs a page fault for every 4 KiB. Does nothing without glibc.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return
    allocator = ctypes.CDLL(None)
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD in malloc.h
    allocator.mallopt(mmap_threshold, 32 << 20)  # bytes; the largest value that glibc accepts
    allocator.mallopt(trim_threshold, 2**31 - 1)
