"""A new run, made ready for training."""

from pathlib import Path

from charrnn.analysis.scoring import LARGEST_EVALUATION
from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.ngram import baseline_nats
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.runs.find import find_run, free_path
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import RunConfig
from charrnn.training.defaults import resolve
from charrnn.training.distributed import ALONE, Group
from charrnn.training.session import Session


def prepare(
    text: Corpus,
    config: TrainConfig | None = None,
    model: ModelConfig | None = None,
    *,
    out_dir: str | Path | None = None,
    init_from: str | None = None,
    group: Group = ALONE,
) -> tuple[Session, tuple[str, ...] | None]:
    """Return a new run that is ready to be trained, nothing of it on the disk; see `train`.

    The first process of a group chooses it. With `init_from` also the characters that the earlier
    model did not know. Raises `CharrnnError`.
    """
    config = config or TrainConfig()
    device, threads = choose_device(config.device), set_threads(config.threads)
    origin = known = None
    if group.ranks.leads and init_from is not None:
        origin = find_run(init_from).select("best")
        known = load_checkpoint(origin, device="cpu")
        text = text.adapted_to(known.vocabulary)

    def new_run() -> tuple[Run, tuple[str, ...] | None]:
        if known and model not in (None, ModelConfig(), known.config):
            raise ConfigError(
                f"the run {init_from} gives the shape of the network, {known.config}: leave out "
                "--cell, --num-layers, --hidden-size and --forget-bias, or --init-from"
            )
        shape = known.config if known else model or ModelConfig()
        precision = choose_precision(config.precision, device, shape.cell)
        training, held_out = text.split(config.val_fraction)
        run = Run(
            Path(out_dir) if out_dir is not None else free_path(text.name),
            RunConfig(
                model=shape,
                training=resolve(
                    config, len(training), len(held_out), device.type, precision, threads
                ),
                vocabulary=text.vocabulary.characters,
                corpus=text.record,
                text=text.config,
                init_from=origin.origin if origin else None,
                baseline=_baseline(text, config.val_fraction),
            ),
        )
        return run, text.vocabulary.characters[len(known.vocabulary) :] if known else None

    run, added = group.lead(new_run)
    shape, vocabulary = run.config.model, Vocabulary(run.config.vocabulary)
    text = text.adapted_to(vocabulary)
    check_same_text(text, run.config.corpus)
    network = CharRNN(shape, vocabulary, text.line_start).initialize(config.seed)
    if known:
        network.adopt(known)
    progress = Progress(budget=run.config.training.limits)
    return Session(run, text, network.to(device), progress, group), added


def check_same_text(text: Corpus, record: CorpusRecord) -> None:
    """Raise `CorpusError` unless this process read the text that the first process did."""
    if text.sha256 != record.sha256:
        raise CorpusError(
            f"the processes of this run read different texts: {text.name} has the SHA-256 "
            f"{text.sha256} here and {record.sha256} at the first process; give all the same"
        )


def _baseline(text: Corpus, val_fraction: float) -> float | None:
    training, held_out = text.split(val_fraction)
    if not len(training) or len(held_out) < 2:
        return None
    return baseline_nats(training, held_out[: LARGEST_EVALUATION + 1], len(text.vocabulary))
