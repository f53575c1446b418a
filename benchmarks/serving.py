"""Measure `charrnn serve` next to `charrnn sample`, in the same run.

    python benchmarks/serving.py [--model bard] [--requests 10000] [--only NAME]

Each measurement starts its own server, which shares the cores with the clients.
    single     one client without a seed, characters per second, relative to `charrnn sample`
    clients    64 clients with a text each, as streams and not, relative to `--num-samples 64`
    first      16 clients that send request after request (prompts of 10 characters): time to the
               first character, relative to a step of 16 rows plus an empty request
    memory     many requests, a tenth of them cut off by the client: answers, memory, threads
    slow       16 clients alone, and beside 200 that do not read their answers
    start      a new process until its first answer, relative to `import torch`
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from serving_client import Client, ServerProcess, describe_ratio, quantile, serving

from charrnn.sampling.blocks import BLOCK_LENGTH

PROMPT = "KING:\nWhat"
LENGTH = 1000  # characters of a text


def completion(server: ServerProcess, **fields: Any) -> dict[str, Any]:
    """Return the body of a request for text."""
    return {"model": server.model, "prompt": PROMPT, "max_tokens": LENGTH} | fields


async def warm_up(server: ServerProcess, num_texts: int = 1) -> None:
    """Load what requests use."""
    client = Client(server)
    await client.get("/v1/completions", completion(server, max_tokens=500))
    await client.get("/v1/completions", completion(server, max_tokens=200, seed=1, n=num_texts))
    client.close()


async def stream_once(server: ServerProcess, **fields: Any) -> tuple[float, float, int]:
    """Return the times of the first and the last event of a text, and its characters."""
    client = Client(server)
    await client.send("/v1/completions", completion(server, stream=True, **fields))
    first, characters = 0.0, 0
    async for chunk in client.chunks():
        if b'"text"' in chunk:
            first = first or time.perf_counter()
            for event in chunk.decode().split("\n\n"):
                if event.startswith("data: {"):
                    choices = json.loads(event.removeprefix("data: "))["choices"]
                    characters += sum(len(choice["text"]) for choice in choices)
    client.close()
    return first, time.perf_counter(), characters


def sample_speed(model: str, num_samples: int, length: int) -> float:
    """Return the speed of `charrnn sample` after its first output: 1 or 64 characters per text."""
    command = [sys.executable, "-m", "charrnn", "sample", model, "-q", "-n", str(length)]
    command += ["-p", PROMPT, "--no-prompt", "--num-samples", str(num_samples)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)
    start = time.perf_counter()
    process.stdout.read()
    seconds = time.perf_counter() - start
    process.wait()
    return num_samples * (length - (1 if num_samples == 1 else BLOCK_LENGTH)) / seconds


async def measure_single(model: str) -> str:
    """Compare one client without a seed with `charrnn sample`."""
    length, own, others = 20_000, [], []
    for _ in range(3):
        with serving(model) as server:
            await warm_up(server)
            first, last, characters = await stream_once(server, max_tokens=length)
            own.append(characters / (last - first))
        others.append(sample_speed(model, 1, length))
    return f"{describe_ratio(own, others)} of `sample`"


async def measure_clients(model: str) -> str:
    """Compare 64 clients with `charrnn sample --num-samples 64`."""
    results: dict[bool, list[float]] = {True: [], False: []}
    others = []
    for _ in range(3):
        for stream, speeds in results.items():
            with serving(model) as server:
                await warm_up(server, 64)
                clients = [Client(server) for _ in range(64)]
                start = time.perf_counter()
                await asyncio.gather(
                    *(
                        client.get("/v1/completions", completion(server, seed=seed, stream=stream))
                        for seed, client in enumerate(clients)
                    )
                )
                speeds.append(64 * LENGTH / (time.perf_counter() - start))
                for client in clients:
                    client.close()
        others.append(sample_speed(model, 64, LENGTH))
    return (
        f"streaming {describe_ratio(results[True], others)}, whole answers "
        f"{describe_ratio(results[False], others)} of `sample --num-samples 64`"
    )


async def measure_first(model: str) -> str:
    """Measure the time to the first character under the load of 16 clients."""
    with serving(model) as server:
        await warm_up(server, 16)
        first_times: list[float] = []
        empty_times: list[float] = []
        is_done = asyncio.Event()

        async def ask(number: int) -> None:
            client, draws = Client(server), random.Random(number)
            for _ in range(60):
                prompt = "".join(draws.choices("abcdefghijklmnopqrstuvwxyz ", k=10))
                fields = {"prompt": prompt, "max_tokens": draws.randint(50, 150)}
                body = completion(server, stream=True, seed=draws.randrange(2**31), **fields)
                start, is_first = time.perf_counter(), True
                await client.send("/v1/completions", body)
                async for _ in client.chunks():
                    if is_first:
                        first_times.append(time.perf_counter() - start)
                        is_first = False
            client.close()

        async def ask_empty() -> None:
            client = Client(server)
            while not is_done.is_set():
                start = time.perf_counter()
                await client.get("/health")
                empty_times.append(time.perf_counter() - start)
                await asyncio.sleep(0.01)
            client.close()

        empty = asyncio.create_task(ask_empty())
        await asyncio.gather(*map(ask, range(16)))
        is_done.set()
        await empty
    step = step_seconds(model, 16)
    high, empty_median = quantile(first_times, 0.99), statistics.median(empty_times)
    ratio = high / (step + empty_median)
    return (
        f"99th percentile {high * 1e3:.1f} ms, median {statistics.median(first_times) * 1e3:.1f}; "
        f"step of 16 rows {step * 1e3:.2f} ms, empty request {empty_median * 1e3:.2f} ms (99th "
        f"percentile {quantile(empty_times, 0.99) * 1e3:.1f}): {ratio:.1f} times their sum"
    )


def step_seconds(model: str, rows: int) -> float:
    """Return the median time of a step of a running batch, on one thread."""
    import torch

    from charrnn import SampleConfig, load
    from charrnn.sampling.batched_text import BatchedText
    from charrnn.sampling.engines.selection import engine_for
    from charrnn.sampling.running_batch import RunningBatch

    torch.set_num_threads(1)
    engine: Any = engine_for(load(model))
    batch, times = RunningBatch(engine), []
    config = SampleConfig(length=2000, seed=1)
    batch.add([BatchedText(engine, PROMPT, config, sample=row) for row in range(rows)])
    for _ in range(500):
        start = time.perf_counter()
        batch.step()
        times.append(time.perf_counter() - start)
        if batch.must_collect:
            batch.collect()
    return statistics.median(times)


async def measure_memory(model: str, num_requests: int) -> str:
    """Send many requests, and cut off a tenth of them."""
    with serving(model) as server:
        await warm_up(server, 16)
        numbers, lost, memory = itertools.count(), [], {}

        async def ask() -> None:
            client = Client(server)
            while (number := next(numbers)) < num_requests:
                if number == num_requests // 10:
                    memory[number] = server.memory()
                is_cut = number % 10 == 0
                fields = {"seed": number, "stream": number % 2 == 0, "max_tokens": 20}
                if is_cut:
                    fields |= {"max_tokens": 100_000, "stream": True}
                body = completion(server, **fields)
                await client.send("/v1/completions", body)
                received = b""
                async for chunk in client.chunks():
                    received += chunk
                    if is_cut:
                        break
                if is_cut:
                    client.close()
                elif b'"finish_reason":"length"' not in received:
                    lost.append(number)
            client.close()

        threads = server.threads()
        await asyncio.gather(*(ask() for _ in range(32)))
        await asyncio.sleep(1)
        metrics = (await Client(server).get("/metrics")).decode().splitlines()
        rest = [line for line in metrics if line.startswith("charrnn_texts{")]
        growth = server.memory() - memory[num_requests // 10]
        return (
            f"{num_requests:,} requests, {len(lost)} lost; memory grew by {growth:.1f} MB after "
            f"the first tenth; threads {threads} before and {server.threads()} after; {rest}"
        )


async def measure_slow(model: str) -> str:
    """Compare the speed of 16 clients alone and beside 200 that do not read."""
    alone, beside = [], []
    for _ in range(2):
        with serving(model) as server:
            await warm_up(server, 64)
            alone += [await speed_of_16(server) for _ in range(4)]
            slow = [Client(server, receive_buffer=4096) for _ in range(200)]
            for seed, client in enumerate(slow):
                body = completion(server, stream=True, seed=seed, max_tokens=100_000, n=1)
                await client.send("/v1/completions", body)
            while b'state="running"} 0.0' not in await Client(server).get("/metrics"):
                await asyncio.sleep(0.5)
            beside += [await speed_of_16(server) for _ in range(4)]
            for client in slow:
                client.close()
    return f"{describe_ratio(beside, alone)} of the speed alone"


async def speed_of_16(server: ServerProcess) -> float:
    """Return the characters per second of 16 clients together."""
    clients = [Client(server) for _ in range(16)]
    start = time.perf_counter()
    await asyncio.gather(
        *(
            client.get("/v1/completions", completion(server, seed=seed, stream=True))
            for seed, client in enumerate(clients)
        )
    )
    for client in clients:
        client.close()
    return 16 * LENGTH / (time.perf_counter() - start)


async def measure_start(model: str) -> str:
    """Compare the time from the start of a process to its first answer with `import torch`."""
    own, others = [], []
    for _ in range(3):
        start = time.perf_counter()
        with serving(model) as server:
            await Client(server).get("/v1/completions", completion(server, max_tokens=10))
            own.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        others.append(time.perf_counter() - start)
    return (
        f"{statistics.median(own):.2f} s; `import torch` {statistics.median(others):.2f} s: "
        f"{statistics.median(own) - statistics.median(others):+.2f} s"
    )


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="bard")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    measurements: dict[str, Callable[[str], Any]] = {
        "single": measure_single,
        "clients": measure_clients,
        "first": measure_first,
        "memory": lambda model: measure_memory(model, arguments.requests),
        "slow": measure_slow,
        "start": measure_start,
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, measure in measurements.items():
            if arguments.only in (None, name):
                print(f"{name}: {asyncio.run(measure(arguments.model))}", flush=True)


if __name__ == "__main__":
    main()
