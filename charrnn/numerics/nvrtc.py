"""Compile CUDA source and launch kernels at run time: NVRTC and the driver, called by ctypes.

torch's wheels for CUDA contain NVRTC, and every NVIDIA GPU has a driver. So users need no compiler
and no headers.
"""

import contextlib
import ctypes
import functools
from collections.abc import Mapping, Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

import torch

_MAX_DYNAMIC_SHARED_SIZE = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES in cuda.h


class CudaError(RuntimeError):
    """A call of NVRTC or of the driver failed; the message has its name and its error."""


def find_architecture(device: torch.device) -> str:
    """Return the architecture of a GPU for `compile_source`, such as `sm_90`."""
    major, minor = torch.cuda.get_device_capability(device)
    return f"sm_{major}{minor}"


def compile_source(source: str, definitions: Mapping[str, int], architecture: str) -> bytes:
    """Return the machine code of CUDA source for an architecture such as `sm_90`.

    Raises `CudaError`, also if NVRTC is not installed.
    """
    try:
        nvrtc, program = _nvrtc(), c_void_p()
    except OSError as error:
        raise CudaError(f"NVRTC was not found ({error})") from error

    def call(name: str, *arguments: Any) -> None:
        code = getattr(nvrtc, name)(*arguments)
        if code:
            nvrtc.nvrtcGetErrorString.restype = c_char_p
            raise CudaError(f"{name}: {nvrtc.nvrtcGetErrorString(code).decode()}\n{log()}")

    def log() -> str:
        size = c_size_t()
        if not program or nvrtc.nvrtcGetProgramLogSize(program, byref(size)):
            return ""
        text = ctypes.create_string_buffer(size.value)
        return "" if nvrtc.nvrtcGetProgramLog(program, text) else text.value.decode()

    call("nvrtcCreateProgram", byref(program), source.encode(), b"charrnn.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={architecture}", "--std=c++17"]
        options += [f"-D{name}={value}" for name, value in definitions.items()]
        encoded = (c_char_p * len(options))(*(option.encode() for option in options))
        call("nvrtcCompileProgram", program, len(options), encoded)
        size = c_size_t()
        call("nvrtcGetCUBINSize", program, byref(size))
        code = ctypes.create_string_buffer(size.value)
        call("nvrtcGetCUBIN", program, code)
        return code.raw
    finally:
        nvrtc.nvrtcDestroyProgram(byref(program))


class Kernels:
    """The kernels of a piece of machine code, loaded in the current CUDA context."""

    def __init__(
        self, code: bytes, names: Sequence[str], shared_bytes: int, driver: str = "libcuda.so.1"
    ) -> None:
        self._driver = ctypes.CDLL(driver)
        self._shared_bytes = shared_bytes
        self._context, module = c_void_p(), c_void_p()
        self._call("cuCtxGetCurrent", byref(self._context))
        self._call("cuModuleLoadData", byref(module), code)
        self._functions = {}
        for name in names:
            function = c_void_p()
            self._call("cuModuleGetFunction", byref(function), module, name.encode())
            self._call(
                "cuFuncSetAttribute", function, c_int(_MAX_DYNAMIC_SHARED_SIZE), c_int(shared_bytes)
            )
            self._functions[name] = function

    def launch(
        self, name: str, blocks: int, threads: int, stream: int, fields: Sequence[int]
    ) -> None:
        """Launch blocks that all run at the same time, on a stream.

        The argument of the kernel is one structure of 64-bit fields. Raises `CudaError`, also if
        the GPU cannot run all blocks at the same time.
        """
        self._launch("cuLaunchCooperativeKernel", name, blocks, threads, stream, fields)

    def launch_independent(
        self, name: str, blocks: int, threads: int, stream: int, fields: Sequence[int]
    ) -> None:
        """Launch any number of blocks, which must not wait for each other, on a stream."""
        no_options = c_void_p()
        self._launch("cuLaunchKernel", name, blocks, threads, stream, fields, no_options)

    def _launch(
        self,
        call: str,
        name: str,
        blocks: int,
        threads: int,
        stream: int,
        fields: Sequence[int],
        *options: c_void_p,
    ) -> None:
        structure = (ctypes.c_longlong * len(fields))(*fields)
        arguments = (c_void_p * 1)(ctypes.addressof(structure))
        self._call("cuCtxSetCurrent", self._context)  # the backward pass runs in another thread
        self._call(
            call,
            self._functions[name],
            *(c_uint(size) for size in (blocks, 1, 1, threads, 1, 1, self._shared_bytes)),
            c_void_p(stream),
            arguments,
            *options,
        )

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            message = c_char_p()
            self._driver.cuGetErrorString(code, byref(message))
            raise CudaError(f"{name}: {(message.value or b'unknown error').decode()} ({code})")


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    """Load NVRTC from the folder in which torch's wheels install it, or from the system.

    In that folder, NVRTC does not find its library of built-in functions, so it is loaded first.
    """
    major = (torch.version.cuda or "13").split(".")[0]
    name = f"libnvrtc.so.{major}"
    installed = sorted((Path(torch.__file__).parents[1] / "nvidia").glob(f"*/lib/{name}"))
    if not installed:
        return ctypes.CDLL(name)
    for builtins in sorted(installed[0].parent.glob("libnvrtc-builtins.so.*")):
        with contextlib.suppress(OSError):  # NVRTC then reports the missing library
            ctypes.CDLL(str(builtins))
    return ctypes.CDLL(str(installed[0]))
