"""Training, told as a stream of events; a pure function of corpus, resolved config and step.

Nothing here prints. Asked to stop, training saves and ends at the next step, or at once during an
evaluation, which is then repeated first when the run is resumed.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from charrnn.config.model import ModelConfig
from charrnn.config.text import PLAIN, TextConfig
from charrnn.config.training import Budget, TrainConfig
from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.progress import Reading
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, DivergedError
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device, idle_gpus
from charrnn.numerics.precision import choose_precision
from charrnn.numerics.threads import set_threads
from charrnn.runs.find import find_run
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.distributed import Group
from charrnn.training.events import Event, Finished, Started
from charrnn.training.new_run import check_same_text, prepare
from charrnn.training.ranks import Ranks
from charrnn.training.session import Session


def train(
    corpus: Corpus | str | Path | Sequence[str | Path] | None = None,
    config: TrainConfig | None = None,
    model: ModelConfig | None = None,
    text_config: TextConfig = PLAIN,
    *,
    out_dir: str | Path | None = None,
    init_from: str | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Train a new model on a text, yielding what happens, until its budget or patience is spent.

    Without `corpus` the bundled text is used; `text_config` says how it is read. `out_dir` is the
    run's folder, by default the name of the text under `checkpoints/`. `init_from` names a run
    whose best model is trained further, and gives the shape of the network. Once `stop` is set,
    training saves and ends. Raises `CharrnnError`.
    """
    stop = stop or threading.Event()
    choose_device((config or TrainConfig()).device)  # refused before a large text is read
    with Group.joined() as group:
        begun = group.lead(lambda: _begun_before(group.ranks, out_dir))
        if begun:
            with group.leading(begun.writing):
                yield from _resume(begun, None, None, None, None, stop, group)
            return
        if isinstance(corpus, Corpus):
            text = corpus
        else:
            source = catalogue.bundled_path() if corpus is None else corpus
            opened = yield from _until(stop, Corpus.opening(source, text_config))
            if opened is None:
                return
            text = opened
        session, added = prepare(
            text, config, model, out_dir=out_dir, init_from=init_from, group=group
        )
        with group.leading(session.run.writing):
            notes = (*text.notes, *idle_gpus(session.model.device, group.ranks.size))
            session.create()  # from here on, there is something to go on from
            yield _started(session, added_characters=added, notes=notes)
            yield from _events(session, stop)


def resume(
    run: str | None = None,
    budget: Budget | None = None,
    *,
    corpus: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Go on with a run exactly where its newest checkpoint left it; see `train`.

    A `budget` that differs from the run's own takes its place and plans the learning rate anew
    from there. `corpus` says where the run's text is now; another text takes its place from
    there on.
    Raises `CharrnnError`.
    """
    with Group.joined() as group:
        resumed = group.lead(lambda: _to_resume(run))
        with group.leading(resumed.writing):
            yield from _resume(
                resumed, budget, corpus, device, threads, stop or threading.Event(), group
            )


def _to_resume(name: str | None) -> Run:
    resumed = find_run(name, or_bundled=False)
    found = resumed.checkpoints()
    if found and found[-1].is_model_alone:
        raise CheckpointError(
            f"{resumed.path} is a model to write with, without what training goes on from: begin a "
            f"run with its weights by `charrnn train --init-from {resumed.path}`"
        )
    return resumed


def _resume(
    resumed: Run,
    budget: Budget | None,
    corpus: str | Path | None,
    device: str | None,
    threads: int | None,
    stop: threading.Event,
    group: Group,
) -> Iterator[Event]:
    checkpoint = group.lead(lambda: resumed.select("last", ("model", "trainer")))
    config = resumed.config
    place = choose_device(device or config.training.device)
    choose_precision(config.training.precision, place, config.model.cell)
    set_threads(threads or config.training.threads)
    vocabulary = Vocabulary(config.vocabulary)
    progress = Progress.of(checkpoint)
    record = progress.corpus or config.corpus
    reopening = Corpus.reopening(record, vocabulary, corpus, config.text, allow_other=True)
    text = yield from _until(stop, reopening)
    if text is None:
        return
    network = CharRNN(config.model, vocabulary, config.corpus.line_start).to(place)
    another = text.sha256 != record.sha256
    if another:
        progress.take(text.record)
    replanned = budget is not None and budget.named and budget != progress.budget
    if replanned and budget:
        progress.budget, progress.stale_evaluations = budget, 0
    check_same_text(text, group.lead(lambda: text.record))
    before = progress.processes
    session = Session(resumed, text, network, progress, group)
    if replanned or another:
        session.plan()
    session.restore(checkpoint)
    spent = session.finished()
    if spent:
        raise ConfigError(
            f"{resumed.path} is finished: it ended at step {progress.step:,} by its limit "
            f"{spent}; to train it further, give a larger limit, such as --epochs "
            f"{2 * max(1, round(progress.epoch))}"
        )
    notes = (_another(record, text.record), *text.notes) if another else ()
    if before != progress.processes:
        notes += (_other_processes(before, progress.processes),)
    yield _started(session, replanned=replanned or another, notes=notes)
    yield from _events(session, stop)


def _begun_before(ranks: Ranks, out_dir: str | Path | None) -> Run | None:
    """Return the run that these processes had begun before torchrun started them anew."""
    if not ranks.restarts:
        return None
    if out_dir is None:
        raise ConfigError(
            "torchrun has started these processes anew, and which run they had begun is not known: "
            "give its folder by --out-dir from the start"
        )
    try:
        return _to_resume(str(out_dir))
    except CheckpointError:
        return None  # they ended before there was one


def _another(before: CorpusRecord, after: CorpusRecord) -> str:
    return (
        f"this is another text than before: SHA-256 {after.sha256} in the place of "
        f"{before.sha256}; losses on its held-out part are not those of the old one"
    )


def _other_processes(before: int, now: int) -> str:
    count = "1 process" if now == 1 else f"{now} processes"
    return (
        f"{count} in the place of {before}: the data and the masks are the same; gradients are "
        "added up in another order, which rounds them otherwise in the last digits"
    )


def _until(
    stop: threading.Event, opening: Generator[Reading, None, Corpus]
) -> Generator[Reading, None, Corpus | None]:
    """Open a text, telling how far it is; return None if asked to stop meanwhile."""
    while True:
        try:
            reading = next(opening)
        except StopIteration as end:
            text: Corpus = end.value
            return text
        if stop.is_set():
            opening.close()
            return None
        yield reading


def _started(
    session: Session,
    *,
    replanned: bool = False,
    added_characters: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Started:
    return Started(
        run=session.run,
        step=session.progress.step,
        training_characters=session.training_characters,
        held_out_characters=session.held_out_characters,
        parameters=session.num_parameters,
        steps_per_epoch=session.steps_per_epoch,
        budget=session.progress.budget,
        horizon=session.progress.horizon,
        replanned=replanned,
        added_characters=added_characters,
        notes=notes,
    )


def _events(session: Session, stop: threading.Event) -> Iterator[Event]:
    reason = None
    while not reason:
        try:
            if session.evaluation_due():
                evaluated = session.evaluate(stop)
                if evaluated:
                    session.log(evaluated.preview)
                    yield evaluated
                    yield session.save()
            reason = session.finished() or ("stopped" if session.stopping(stop) else None)
            if reason:
                if not session.saved:
                    yield session.save()
                break
            yield from session.take_steps(stop.is_set())
            if not session.evaluation_due():
                if session.log_due():
                    session.log()
                if session.save_due():
                    yield session.save()
        except DivergedError as error:
            reason = None
            yield session.step_back(error)
    progress = session.progress
    yield Finished(
        run=session.run,
        step=progress.step,
        reason=reason,
        best_step=progress.best_step,
        best_val_loss=progress.best_val_loss,
        seconds=progress.seconds,
    )
