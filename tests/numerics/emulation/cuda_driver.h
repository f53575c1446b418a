// The functions of the CUDA driver that charrnn calls for any kernel of independent blocks, on a CPU.

#pragma once

#include <cstring>

enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_FOUND = 500 };

static int context, module;

extern "C" {
int cuCtxGetCurrent(void** current) {
    *current = &context;
    return SUCCESS;
}

int cuCtxSetCurrent(void* selected) { return selected == &context ? SUCCESS : INVALID_VALUE; }

int cuModuleLoadData(void** loaded, const void* image) {
    *loaded = &module;
    return image ? SUCCESS : INVALID_VALUE;
}

int cuFuncSetAttribute(void*, int, int shared_bytes) {
    return shared_bytes ? INVALID_VALUE : SUCCESS;
}

int cuGetErrorString(int code, const char** text) {
    *text = code == INVALID_VALUE ? "invalid argument" : "some other error";
    return SUCCESS;
}
}
