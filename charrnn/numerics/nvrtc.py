"""CUDA source compiled and launched where charrnn runs: NVRTC and the driver, called by ctypes.

torch's wheels for CUDA carry NVRTC, and the driver comes with the GPU: so nothing has to be
installed for it, no compiler and no headers.
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
    """A call of NVRTC or of the driver failed: which, and what it says."""


def compile_source(source: str, definitions: Mapping[str, int], architecture: str) -> bytes:
    """Return the machine code of CUDA source for an architecture such as `sm_90`.

    Raises `CudaError`, also where there is no NVRTC.
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
        encoded = (c_char_p * len(options))(*(each.encode() for each in options))
        call("nvrtcCompileProgram", program, len(options), encoded)
        size = c_size_t()
        call("nvrtcGetCUBINSize", program, byref(size))
        code = ctypes.create_string_buffer(size.value)
        call("nvrtcGetCUBIN", program, code)
        return code.raw
    finally:
        nvrtc.nvrtcDestroyProgram(byref(program))


class Kernels:
    """Kernels of machine code, loaded in the context that is current when they are made."""

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
        """Launch blocks that all run at one time, behind what is on the stream.

        The kernel takes one structure, whose fields are 64 bits each. Raises `CudaError`, where so
        many blocks do not fit too.
        """
        self._launch("cuLaunchCooperativeKernel", name, blocks, threads, stream, fields)

    def launch_independent(
        self, name: str, blocks: int, threads: int, stream: int, fields: Sequence[int]
    ) -> None:
        """Launch blocks that do not wait for each other, so that any number of them fits."""
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
        self._call("cuCtxSetCurrent", self._context)  # torch's backward has threads of its own
        self._call(
            call,
            self._functions[name],
            *(c_uint(each) for each in (blocks, 1, 1, threads, 1, 1, self._shared_bytes)),
            c_void_p(stream),
            arguments,
            *options,
        )

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            said = c_char_p()
            self._driver.cuGetErrorString(code, byref(said))
            raise CudaError(f"{name}: {(said.value or b'unknown error').decode()} ({code})")


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    """Load NVRTC from beside torch, where its wheels put it, or from the system.

    NVRTC finds its library of built-in functions in the folder of the wheels only if that library
    is loaded already.
    """
    major = (torch.version.cuda or "13").split(".")[0]
    name = f"libnvrtc.so.{major}"
    beside = sorted((Path(torch.__file__).parents[1] / "nvidia").glob(f"*/lib/{name}"))
    if not beside:
        return ctypes.CDLL(name)
    for builtins in sorted(beside[0].parent.glob("libnvrtc-builtins.so.*")):
        with contextlib.suppress(OSError):  # NVRTC then reports what it misses
            ctypes.CDLL(str(builtins))
    return ctypes.CDLL(str(beside[0]))
