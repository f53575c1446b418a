"""Without numba, run a network as on a GPU, then train a run in FOLDER and sample it."""

import sys
import warnings

sys.modules["numba"] = sys.modules["llvmlite"] = None  # type: ignore[assignment]

import pytest  # noqa: E402
import torch  # noqa: E402

from charrnn.config.model import ModelConfig  # noqa: E402
from charrnn.config.training import TrainConfig  # noqa: E402
from charrnn.data.corpus import Corpus  # noqa: E402
from charrnn.data.vocabulary import Vocabulary  # noqa: E402
from charrnn.errors import DeviceWarning  # noqa: E402
from charrnn.model.loading import load  # noqa: E402
from charrnn.model.network import CharRNN  # noqa: E402
from charrnn.recurrence.cuda import check, launch  # noqa: E402
from charrnn.sampling.engines.selection import engine_for  # noqa: E402
from charrnn.sampling.loop import generate  # noqa: E402
from charrnn.training.loop import train  # noqa: E402
from tests.recurrence.cuda.stand_in import use_cpu_as_gpu  # noqa: E402

warnings.simplefilter("error")
model = CharRNN(ModelConfig(num_layers=2, hidden_size=32), Vocabulary("abc")).initialize(1)
with pytest.MonkeyPatch.context() as patch:
    use_cpu_as_gpu(patch)
    patch.setattr(launch, "launch_kernel", lambda kernel, plan, fields: None)
    patch.setattr(check, "check_here", lambda plan, device: check.Verdict(True))
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = model(torch.zeros(8, 16, dtype=torch.long), model.initial_state(16))
assert logits.shape == (8, 16, 3)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    text = Corpus.from_text("The wheel goes round. " * 40)
    sizes = TrainConfig(batch_size=4, seq_length=8, max_steps=2, device="cpu")
    list(train(text, sizes, ModelConfig(num_layers=1, hidden_size=16), out_dir=sys.argv[1]))
(warning,) = (message for message in caught if message.category is DeviceWarning)
assert "numba cannot be imported" in str(warning.message)
assert len(generate(engine_for(load(sys.argv[1])), length=20, seed=1)[0]) == 20
