"""A model card in Markdown: the properties of a model, its loss, and how to load its file."""

from charrnn.config.counts import format_count
from charrnn.config.sampling import SampleConfig
from charrnn.console.run_facts import UNKNOWN, format_batch
from charrnn.console.text import format_network
from charrnn.data.character_names import name_character
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress

CARD_INTRODUCTION = "A character-level recurrent network, trained with charrnn."


def render_model_card(checkpoint: Checkpoint, file: str) -> str:
    """Return a model card in Markdown for the model in the safetensors file named `file`."""
    run = checkpoint.run
    model = run.config.model
    cell, layers, units = model.cell, model.num_layers, model.hidden_size
    properties = "\n".join(
        f"- **{name}**: {value}." for name, value in _list_properties(checkpoint).items()
    )
    return f"""\
# {_escape_markdown(run.name)}

{CARD_INTRODUCTION}

{properties}

The model imitates the style of its training text, and it may repeat the biases of that text. It
does not understand what it generates.

```python
import json, torch, safetensors

with safetensors.safe_open("{file}", "pt") as file:
    metadata, weights = file.metadata(), {{name: file.get_tensor(name) for name in file.keys()}}
vocabulary = json.loads(metadata["vocabulary"])
network = torch.nn.{cell.upper()}(len(vocabulary), {units}, {layers})
output = torch.nn.Linear({units}, len(vocabulary))
output.load_state_dict({{name: weights.pop("output." + name) for name in ("weight", "bias")}})
network.load_state_dict(weights)

{_render_loop(run.config.text.separator is not None)}
print(text)
```
"""


def _render_loop(has_documents: bool) -> str:
    """Return Python code that generates a text, or one whole document, with the card's network."""
    settings = SampleConfig()
    steps = f"""\
    one_hot = torch.nn.functional.one_hot(torch.tensor([[code]]), len(vocabulary))
    hidden, state = network(one_hot.float(), state)
    p = (output(hidden[0, 0]) / {settings.temperature}).softmax(-1)
    second = p.sort().values[-2:][0]
    code = int(torch.multinomial(p * (p >= min({settings.min_p} * p.max(), second)), 1))"""
    if not has_documents:
        return f"""\
code, state, text = vocabulary.index(json.loads(metadata["line_start"])), None, ""
for _ in range(200):
    text += vocabulary[code]
{steps}"""
    return f"""\
separator = vocabulary.index(json.loads(metadata["separator"]))
code, state, text = separator, None, ""  # the separator starts a document, and ends it
while True:
{steps}
    if code == separator:
        break
    text += vocabulary[code]"""


def _list_properties(checkpoint: Checkpoint) -> dict[str, str]:
    progress = Progress.from_checkpoint(checkpoint)
    config = progress.current_config(checkpoint.run.config)
    model, training, characters = config.model, config.training, len(config.vocabulary)
    text = config.corpus
    network = (
        f"{format_network(model.num_layers, model.hidden_size, model.cell)} over "
        f"{format_count(characters, 'character')}, {model.count_parameters(characters):,} "
        "parameters"
    )
    if not text.is_known:
        names = ("Text", "Training", "Held-out loss")
        return {"Network": network} | dict.fromkeys(names, UNKNOWN)
    loss = "not evaluated"
    if progress.val_loss is not None:
        loss = f"{progress.val_loss:z.4f} nats per character"
    if config.baseline is not None:
        loss += f" (a 5-gram model: {config.baseline:z.4f})"
    held_out = "all of it for training"
    if training.val_fraction:
        held_out = f"the last {training.val_fraction:g} of it held out"
    documents = ""
    if config.text.separator is not None:
        separator = name_character(config.text.separator)
        documents = f"; its documents, separated by {separator}, are read one by one"
    return {
        "Network": network,
        "Text": f"{_escape_markdown(text.name)}, {format_count(text.characters, 'character')}, "
        f"SHA-256 {text.sha256}; {held_out}{documents}",
        "Training": f"step {checkpoint.step:,}, {progress.epoch:z.2f} epochs of "
        f"{format_batch(config)}, learning rate "
        f"{training.learning_rate:g}, dropout {training.dropout:g} between layers and "
        f"{training.output_dropout:g} before the output, DropConnect {training.weight_drop:g}, "
        f"weight decay {training.weight_decay:g}, loss temperature "
        f"{training.loss_temperature:g}, seed {training.seed}",
        "Held-out loss": loss,
    }


def _escape_markdown(name: str) -> str:
    """Return a name in one line, with the special characters of Markdown escaped."""
    escaped = "".join(
        f"\\{character}" if character in "\\`*_[]<>#|" else character for character in name
    )
    return escaped.replace("\n", " ")
