"""Distil the teacher's logits into a Gemma cross-encoder; may be killed at any time and started again.

    python train.py START LISTS RUN --batch 4 --minutes 60

START is the cut-down Gemma of cut.py, LISTS the folder of lists with their scores, RUN the folder of this run: its
`settings.json`, its `log.jsonl`, its `state.pt` (weights, optimizer, place in the data). Started again with the same
RUN it goes on at the saved step; shards that were scored in the meantime take part. `RUN/model` is the latest
checkpoint as an ordinary sentence-transformers model.
"""

import argparse
import json
import signal
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from data import Lists, Place
from evaluate import dev_figures
from student import Student, loss_of
from torch import nn


@dataclass
class Settings:
    """All that decides a run."""

    start: str
    lists: str
    batch: int = 4  # lists in a step
    longest: int = 128  # tokens of a pair
    rate: float = 1e-3
    head_rate: float = 1e-3
    optimizer: str = "muon"  # of the layers' matrices; or "adamw"
    warmup: int = 50
    decay_from: int = 0  # step at which the rate begins to fall linearly to zero; 0: never
    decay_steps: int = 0
    kl: float = 0.1  # weight of the divergence within a list
    states: float = 0.5  # weight of the teacher's [CLS] states
    match: float = 1.0  # weight of the probes for words in common
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0


def share_at(step: int, settings: Settings) -> float:
    """Return the share of the full rate: linear warm-up, constant, then a linear fall to zero."""
    share = min(1.0, (step + 1) / max(1, settings.warmup))
    if settings.decay_from and step > settings.decay_from:
        share *= max(0.0, 1 - (step - settings.decay_from) / max(1, settings.decay_steps))
    return share


def optimizers_of(student: Student, settings: Settings) -> list[torch.optim.Optimizer]:
    """Return the optimizers; vectors and the head have no weight decay, the head a rate of its own."""
    body = [p for p in student.network.parameters() if p.requires_grad]
    matrices, vectors = [p for p in body if p.ndim > 1], [p for p in body if p.ndim < 2]
    head = [*student.head.parameters(), *student.map.parameters(), *student.probes.parameters()]
    decayed = {"params": matrices, "lr": settings.rate, "weight_decay": settings.weight_decay}
    groups = [{"params": vectors, "lr": settings.rate}, {"params": head, "lr": settings.head_rate}]
    found: list[torch.optim.Optimizer] = []
    if settings.optimizer == "muon":
        found.append(torch.optim.Muon([decayed], adjust_lr_fn="match_rms_adamw"))
    else:
        groups.insert(0, decayed)
    return [*found, torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0, fused=True)]


class Run:
    """A training run and its folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Build everything, or take it up where it was."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1) + "\n")
        self.folder, self.settings, self.place = folder, settings, Place()
        self.lists = Lists(Path(settings.lists), settings.start, settings.longest, settings.seed)
        self.student = Student(settings.start, settings.longest, self.lists, settings.seed)
        self.optimizers = optimizers_of(self.student, settings)
        self.full = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.trained = {name: p for name, p in self.student.named_parameters() if p.requires_grad}
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", weights_only=True)
            with torch.no_grad():
                for name, value in state["weights"].items():
                    self.trained[name].copy_(value)
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=bool(state["optimizers"])):
                optimizer.load_state_dict(saved)
            self.place = Place(**state["place"])
        self.log(
            event="resumed" if self.place.step else "started", trained=sum(p.numel() for p in self.trained.values())
        )

    def log(self, **record: object) -> None:
        """Append a line to the log."""
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.place.step, "time": time.strftime("%F %T"), **record}) + "\n")

    def save(self) -> None:
        """Save the state, whole or not at all, and the model."""
        state = {
            "weights": {name: p.detach() for name, p in self.trained.items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "place": asdict(self.place),
        }
        torch.save(state, self.folder / "state.part")
        (self.folder / "state.part").rename(self.folder / "state.pt")
        self.student.export(self.folder / "model", self.lists.mean, self.lists.deviation)

    def step(self) -> dict[str, float]:
        """Train on the next lists and return the parts of the loss."""
        for optimizer, full in zip(self.optimizers, self.full, strict=True):
            for group, rate in zip(optimizer.param_groups, full, strict=True):
                group["lr"] = rate * share_at(self.place.step, self.settings)
        batch = self.lists.take(self.place, self.settings.batch)
        weights = {name: getattr(self.settings, name) for name in ("kl", "states", "match")}
        loss, figures = loss_of(self.student, self.lists, batch, **weights)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(list(self.trained.values()), self.settings.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.place.step += 1
        self.place.tokens += sum(len(ids) for item in batch for ids in item.pairs)
        self.place.pairs += sum(len(item.pairs) for item in batch)
        return {**figures, "norm": float(norm)}

    def dev(self) -> None:
        """Log what the model is worth."""
        began = time.process_time()
        figures = dev_figures(self.student, self.lists)
        seconds = round(time.process_time() - began, 1)
        self.log(**figures, tokens=self.place.tokens, pairs=self.place.pairs, dev_seconds=seconds)


def main(run: Run, minutes: float, steps: int, save_every: int, dev_every: int) -> None:
    """Train until the time or the steps are over, or a signal comes."""
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.append(number))
    place, until, figures = run.place, time.time() + 60 * minutes, []
    last, since, mark = time.time(), place.tokens, time.process_time()
    while time.time() < until and place.step < steps and not stop:
        figures.append(run.step())
        if place.step % 10 == 0:
            used, wall, tokens = time.process_time() - mark, time.time() - last, place.tokens - since
            place.seconds += used
            means = {name: round(float(np.mean([row[name] for row in figures])), 4) for name in figures[0]}
            speed = {"tokens_per_second": round(tokens / wall), "tokens_per_cpu_second": round(tokens / used)}
            run.log(**means, tokens=place.tokens, cpu_seconds=round(place.seconds), **speed)
            figures, last, since, mark = [], time.time(), place.tokens, time.process_time()
        if place.step % save_every == 0:
            run.save()
        if dev_every and place.step % dev_every == 0:
            run.dev()
    run.save()
    if not stop:
        run.dev()
    run.log(event="stopped", cpu_seconds=round(place.seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("start", "lists", "run"):
        parser.add_argument(name)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--dev-every", type=int, default=0)
    for setting in fields(Settings)[2:]:
        parser.add_argument(f"--{setting.name.replace('_', '-')}", type=type(setting.default), default=setting.default)
    given = vars(parser.parse_args())
    limits = {name: given.pop(name) for name in ("minutes", "steps", "save_every", "dev_every")}
    folder = Path(given.pop("run"))
    main(Run(folder, Settings(**given)), **limits)
