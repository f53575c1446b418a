"""How often a run is evaluated, and how many held-out characters an evaluation reads.

Both are fixed before the first step, from character counts and the device. Only if the budget is a
time, the interval is planned again, from the measured speed, at each evaluation. Work is counted in
characters of a forward pass: a training step reads each of its characters at three times that cost.
"""

BACKWARD_COST = 2.0  # of a backward pass, relative to the forward pass
MAX_CHARACTERS = 1_000_000  # of the held-out part that an evaluation reads
_MIN_CHARACTERS = 1_000  # that an evaluation reads; the loss of fewer characters means little
_MAX_SHARE = 0.1  # of the work of a run that evaluations take
_MIN_EVALUATIONS = 10
_TIMED_EVALUATIONS = 12  # more than ten, because the estimated number of steps may be too high
_SPEED = 10_000  # characters per second: the default network on a CPU, about


def longest_interval(
    training_characters: int,
    held_out_characters: int,
    *,
    characters_per_step: int,
    eval_characters: int,
    device: str,
) -> int:
    """Return the most steps between two evaluations, whatever the budget is.

    They take at least ten seconds on a CPU and one second on a fast GPU, and an evaluation takes at
    most a fifteenth of that. On a small text, which the network soon memorizes, they are at most
    four epochs, but at least 10,000 characters.
    """
    read = min(held_out_characters, eval_characters)
    characters = min(
        max(100_000 * device_factor(device), 5 * read), max(10_000, 4 * training_characters)
    )
    return max(1, characters // characters_per_step)


def plan_interval(longest: int, steps: int | None, *, is_timed: bool) -> int:
    """Return the steps between two evaluations, so that `steps` contain at least ten of them.

    In fewer than 20 steps, every step is evaluated. If the budget is a time (`is_timed`), `steps`
    is an estimate, and the interval is shorter. `steps` is None if nothing is known yet.
    """
    if steps is None:
        return longest
    return max(1, min(longest, steps // (_TIMED_EVALUATIONS if is_timed else _MIN_EVALUATIONS)))


def plan_characters(
    held_out_characters: int,
    *,
    interval: int,
    characters_per_step: int,
    max_time: float | None,
    device: str,
) -> int:
    """Return how many held-out characters an evaluation reads, at most.

    This is a million, or fewer if evaluations would take more than a tenth of the work of a run
    with this interval; but never fewer than 1,000. For a time limit, the number of characters that
    a run reads is estimated from the usual speed of the device.
    """
    characters = float(interval * characters_per_step)
    if max_time:
        speed = _SPEED * device_factor(device)
        characters = min(characters, max_time * speed / _TIMED_EVALUATIONS)
    affordable = int(_MAX_SHARE * (1 + BACKWARD_COST) * characters)
    if min(held_out_characters, MAX_CHARACTERS) <= affordable:
        return MAX_CHARACTERS
    return max(_MIN_CHARACTERS, affordable)


def device_factor(device: str) -> int:
    """Return how many times as many characters as a CPU a device reads in a run.

    The same factor holds between two evaluations. An H100 trains the default network with 1.8
    million characters per second (docs/gpu.md), two CPU cores with about 10,000; other GPUs are
    slower.
    """
    return 10 if device == "cuda" else 1
