"""Distil the teacher into the transplant; may be killed at any time and started again.

    python distil.py TEACHER LISTS START RUN --rate 3e-4

START is the model of transplant.py, RUN the folder of this run: its `log.jsonl`, its `state.pt` (weights, their moving
average, optimizer, place in the data) and `model`, the average as an ordinary sentence-transformers model. The teacher
runs beside the student, so each list can be new. The first layer and the token embeddings stay as they are.
"""

import argparse
import json
import signal
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from lists_data import ListBatches
from student import DEVIATION, Student, loss_of
from teacher import Teacher
from torch import Tensor
from torch.nn import functional

DEVELOPMENT = 40  # lists


@dataclass
class Settings:
    """All that decides a run."""

    rate: float = 3e-4  # relative to the median size of a matrix's weights
    states: float = 1.0  # weight of the states of all tokens
    kl: float = 0.1  # weight of the divergence within a list
    average: float = 0.99  # kept of the moving average at each step
    batch: int = 4  # lists in a step
    longest: int = 192  # tokens of a pair
    warmup: int = 30
    decay_from: int = 0  # step at which the rate begins to fall linearly to zero; 0: never
    decay_steps: int = 1
    seed: int = 0


class Run:
    """A training run and its folder."""

    def __init__(self, teacher: str, lists: Path, start: Path, folder: Path, settings: Settings) -> None:
        """Build everything, or take it up where it was."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1) + "\n")
        self.folder, self.settings, self.teacher = folder, settings, Teacher(teacher)
        self.student, self.step, self.place, self.tokens, self.seconds = Student(start), 0, 0, 0, 0.0
        self.lists = ListBatches(lists, self.student.tokenizer, longest=settings.longest, seed=settings.seed)
        self.trained = {name: p for name, p in self.student.named_parameters() if p.requires_grad}
        groups = [{"params": [p], "full": settings.rate * _size(p)} for p in self.trained.values()]
        self.optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0)
        self.average = {name: p.detach().clone() for name, p in self.trained.items()}
        if (folder / "state.pt").exists():
            self._load(torch.load(folder / "state.pt", weights_only=True), [group["full"] for group in groups])
        development = list(self.lists.batches(self.lists.development(DEVELOPMENT)))
        self.development = [(own, ids, self.teacher.score(ids)[0]) for own, ids in development]

    def _load(self, state: dict, rates: list[float]) -> None:
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(state["weights"][name])
        self.average = state["ema"]
        self.optimizer.load_state_dict(state["opt"])
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["full"] = rate
        self.step, self.place, self.tokens, self.seconds = (state[key] for key in ("step", "place", "tokens", "cpu"))

    def train(self) -> dict[str, float]:
        """Take one step and return the parts of the loss."""
        settings, share = self.settings, min(1.0, (self.step + 1) / self.settings.warmup)
        if settings.decay_from and self.step > settings.decay_from:
            share *= max(0.0, 1 - (self.step - settings.decay_from) / settings.decay_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["full"] * share
        batches = list(self.lists.batches(self.lists.take(self.place, settings.batch)))
        loss, parts = loss_of(
            self.student,
            self.teacher,
            batches,
            passages=self.lists.passages,
            kl=settings.kl,
            states=settings.states,
        )
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        kept = min(settings.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, parameter in self.trained.items():
                self.average[name].lerp_(parameter, 1 - kept)
        self.step, self.place = self.step + 1, self.place + settings.batch
        self.tokens += sum(int((ids != 0).sum()) for _, ids in batches)
        return parts

    def save(self) -> None:
        """Save the state, whole or not at all, the averaged model, and its agreement with the teacher."""
        weights = {name: p.detach() for name, p in self.trained.items()}
        counts = {"step": self.step, "place": self.place, "tokens": self.tokens, "cpu": self.seconds}
        torch.save(
            {"weights": weights, "ema": self.average, "opt": self.optimizer.state_dict(), **counts},
            self.folder / "part",
        )
        (self.folder / "part").rename(self.folder / "state.pt")
        kept = {name: p.clone() for name, p in weights.items()}
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(self.average[name])
            self.student.export(self.folder / "model", self.lists.longest)
            self.log(**self.agreement())
            for name, parameter in self.trained.items():
                parameter.copy_(kept[name])

    def agreement(self) -> dict[str, float]:
        """Return how well the scores of the development lists agree with the teacher's, in bf16 autocast."""
        size = sum(len(own) for own, _, _ in self.development)
        scores, aims = torch.empty(size), torch.empty(size)
        with torch.autocast("cpu", torch.bfloat16):
            for own, ids, aim in self.development:
                scores[own], aims[own] = self.student(ids)[0].float(), aim
        rows = zip(scores.view(DEVELOPMENT, -1).numpy(), aims.view(DEVELOPMENT, -1).numpy(), strict=True)
        within = float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in rows]))
        whole = float(np.corrcoef(scores, aims)[0, 1])
        error = functional.mse_loss(scores, aims).item() / DEVIATION**2
        return {"dev_correlation": round(whole, 4), "dev_within_lists": round(within, 4), "dev_mse": round(error, 5)}

    def log(self, **record: object) -> None:
        """Append a line to the log."""
        line = {"step": self.step, "time": time.strftime("%F %T"), "tokens": self.tokens, **record}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def _size(parameter: Tensor) -> float:
    """Return the median size of a matrix's weights that are not 0; vectors have a fixed one."""
    sizes = parameter.detach().abs()
    return max(1e-4, float(sizes[sizes != 0].median())) if parameter.ndim > 1 else 0.05


def main(run: Run, steps: int, save_every: int) -> None:
    """Train until the steps are over or a signal comes."""
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.append(number))
    rows, mark, before = [], time.process_time(), run.seconds
    while run.step < steps and not stop:
        rows.append(run.train())
        run.seconds = before + time.process_time() - mark
        if run.step % 10 == 0:
            means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
            run.log(**means, cpu_seconds=round(run.seconds))
            rows = []
        if run.step % save_every == 0:
            run.save()
    run.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher")
    for name in ("lists", "start", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--save-every", type=int, default=40)
    for setting in fields(Settings):
        parser.add_argument(f"--{setting.name.replace('_', '-')}", type=type(setting.default), default=setting.default)
    torch.set_num_threads(1)
    given = vars(parser.parse_args())
    limits = given.pop("steps"), given.pop("save_every")
    paths = [given.pop(name) for name in ("teacher", "lists", "start", "folder")]
    main(Run(*paths, Settings(**given)), *limits)
