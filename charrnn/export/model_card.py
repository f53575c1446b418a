"""A model card in Markdown: what a model is, how good, and how to load its file."""

from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress


def card(checkpoint: Checkpoint, file: str) -> str:
    """Return a model card in Markdown: what the model is, how good, and how to load `file`."""
    run = checkpoint.run
    model = run.config.model
    cell, layers, units = model.cell, model.num_layers, model.hidden_size
    listed = "\n".join(f"- **{name}**: {value}." for name, value in _facts(checkpoint).items())
    return f"""\
# {_in_a_line(run.path.name)}

A character-level recurrent network, trained with charrnn.

{listed}

It continues text in the manner of the text above, whose language and prejudices it carries, and
knows nothing of what it says.

```python
import json, torch, safetensors

with safetensors.safe_open("{file}", "pt") as file:
    about, weights = file.metadata(), {{name: file.get_tensor(name) for name in file.keys()}}
vocabulary = json.loads(about["vocabulary"])
network = torch.nn.{cell.upper()}(len(vocabulary), {units}, {layers})
output = torch.nn.Linear({units}, len(vocabulary))
output.load_state_dict({{name: weights.pop("output." + name) for name in ("weight", "bias")}})
network.load_state_dict(weights)

character, state, written = vocabulary.index(json.loads(about["line_start"])), None, ""
for _ in range(200):
    written += vocabulary[character]
    one_hot = torch.nn.functional.one_hot(torch.tensor([[character]]), len(vocabulary))
    hidden, state = network(one_hot.float(), state)
    character = int(torch.multinomial((output(hidden[0, 0]) / 0.8).softmax(-1), 1))
print(written)
```
"""


def _facts(checkpoint: Checkpoint) -> dict[str, str]:
    config = checkpoint.run.config
    model, training, characters = config.model, config.training, len(config.vocabulary)
    progress = Progress.from_checkpoint(checkpoint)
    text = progress.corpus or config.corpus
    loss = "not evaluated"
    if progress.val_loss is not None:
        loss = f"{progress.val_loss:.4f} nats per character"
    if config.baseline is not None:
        loss += f" (a 5-gram model: {config.baseline:.4f})"
    return {
        "Network": f"{model.num_layers} layers of {model.hidden_size} {model.cell} units over "
        f"{characters} characters, {model.count_parameters(characters):,} parameters",
        "Text": f"{_in_a_line(text.name)}, {text.characters:,} characters, SHA-256 {text.sha256}; "
        f"the last {training.val_fraction:g} of it held out",
        "Training": f"step {checkpoint.step:,}, {progress.epoch:.2f} epochs of "
        f"{training.batch_size} streams x {training.seq_length} characters, learning rate "
        f"{training.learning_rate:g}, dropout {training.dropout:g} between layers and "
        f"{training.output_dropout:g} before the output, DropConnect {training.weight_drop:g}, "
        f"weight decay {training.weight_decay:g}, loss temperature "
        f"{training.loss_temperature:g}, seed {training.seed}",
        "Held-out loss": loss,
    }


def _in_a_line(name: str) -> str:
    """Return a name that cannot be taken for Markdown."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]<>#|" else each for each in name)
    return escaped.replace("\n", " ")
