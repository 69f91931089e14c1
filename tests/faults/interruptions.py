"""Interrupted and hindered commands: killed, on a full disk, in a read-only folder, and two at once."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from time import monotonic

from tests.faults.commands import COMMANDS, fresh, half_files, prepared, snapshot, start

Tries = Iterator[tuple[str, str]]  # name of a try, and its fault or ""
LIMITS = (0, 100, 1_000, 4_096, 20_000, 100_000)  # bytes of the largest file
ROOM = (0, 1, 4, 16, 64, 256)  # KB left on the disk
DISK = 64  # MB
FEW = 100


def _chosen(thin: int) -> tuple[str, ...]:
    """Return the commands to try: two that are quick if few tries are wanted."""
    return tuple(COMMANDS) if thin < FEW else ("submit", "mine")


@cache
def whole(root: Path, name: str) -> tuple[dict[str, object], float]:
    """Return what an uninterrupted command writes, and its seconds."""
    folder, command, begin = fresh(root, f"whole-{name}"), COMMANDS[name], monotonic()
    started = start(command, folder)
    if started.wait() or started.fault:
        raise RuntimeError(f"{name}: {started.log.read_text()[-2000:]}")
    return snapshot(folder / command.output), monotonic() - begin


def kills(root: Path, thin: int) -> Tries:
    """Kill each command at random moments; then run it to its end."""
    random = Random("kills")
    for name in _chosen(thin):
        _, seconds = whole(root, name)
        for number in range(max(1, 8 // thin)):
            moment = random.random()
            folder = fresh(root, "killed")
            for _ in range(1 + number % 2):  # every second one is killed twice
                start(COMMANDS[name], folder).kill_after(moment * seconds)
            yield f"{name} killed after {moment:.0%} of its time", after(root, name, folder)


def after(root: Path, name: str, folder: Path) -> str:
    """Return what is wrong in the folder of an interrupted command, and after it ran again to its end."""
    command, (expected, _) = COMMANDS[name], whole(root, name)
    target = folder / command.output
    if half := next(half_files(snapshot(target, command.skipped), expected), None):
        return f"{half} is not whole"
    if target.exists() and snapshot(target) and not command.again:  # an empty folder is as good as none
        return "" if snapshot(target) == expected else f"{command.output} is not whole"
    started = start(command, folder)
    if started.wait() or started.fault:
        return f"run again: {started.fault or started.log.read_text()[-300:]}"
    return _difference(snapshot(target), expected)


def _difference(found: dict[str, object], expected: dict[str, object]) -> str:
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"differs from an undisturbed run: {', '.join(wrong[:4])}" if wrong else ""


def full_disks(root: Path, thin: int) -> Tries:
    """Let files grow to a limit only, and, as root, write to a small disk."""
    for name in _chosen(thin):
        for limit in LIMITS[min(2, thin // 2) :: thin]:
            folder = fresh(root, "limited")
            started = start(COMMANDS[name], folder, limit=limit)
            started.wait()
            yield f"{name}, files of at most {limit} bytes", started.fault or after(root, name, folder)
    if os.geteuid() == 0 and thin < FEW:
        for name in COMMANDS:
            for room in ROOM[min(1, thin // 2) :: thin]:
                yield f"{name}, {room} KB left on the disk", _on_a_full_disk(root, name, room)


def _on_a_full_disk(root: Path, name: str, room: int) -> str:
    whole(root, name)  # before there is no room
    with _disk(root / "disk") as disk:
        folder, ballast = shutil.copytree(prepared(root), disk / "work"), disk / "ballast"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        ballast.write_bytes(bytes(max(0, free - 1024 * room)))
        started = start(COMMANDS[name], folder, log=root / "disk.log")
        started.wait()
        ballast.unlink()
        return started.fault or after(root, name, folder)


@contextmanager
def _disk(place: Path) -> Iterator[Path]:
    """Mount a small disk."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", place], check=True)  # noqa: S607
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)  # noqa: S607


def read_only(root: Path, thin: int) -> Tries:
    """Run commands in a folder in which nothing can be written."""
    for name in _chosen(thin):
        command = COMMANDS[name]
        folder = fresh(root, "protected")
        with _protected(folder):
            started = start(command, folder)
            started.wait()
        code = started.process.exitcode
        fault = started.fault or ("" if code == 2 else f"exit code {code}; expected 2")
        yield f"{name} in a read-only folder", fault or after(root, name, folder)


@contextmanager
def _protected(folder: Path) -> Iterator[None]:
    """Make a folder read-only: by a mount for root, whom permissions do not stop, and by permissions for others."""
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    for words in (["mount", "--bind", folder, folder], ["mount", "-o", "remount,bind,ro", folder]):
        subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def together(root: Path, thin: int) -> Tries:
    """Run two processes of a command at once, with one cache; and two with outputs of their own."""
    for name in _chosen(thin):
        command, (expected, _) = COMMANDS[name], whole(root, name)
        for number in range(max(1, 2 // thin)):
            folder = fresh(root, "shared")
            both = [start(command, folder), start(command, folder)]
            codes = sorted(started.wait() for started in both)
            fault = next((started.fault for started in both if started.fault), "")
            right = codes in ([0, 0], [0, 2])
            fault = fault or ("" if right else f"exit codes {codes}")
            fault = fault or _difference(snapshot(folder / command.output), expected)
            yield f"{name} twice at once, {number + 1}", fault
        other = fresh(root, "neighbour")
        folder = fresh(root, "shared")
        both = [start(command, where, cache_folder=root / f"cache-{name}") for where in (folder, other)]
        codes = [started.wait() for started in both]
        fault = next((started.fault for started in both if started.fault), "") or (
            "" if codes == [0, 0] else f"{codes}"
        )
        found = [_difference(snapshot(where / command.output), expected) for where in (folder, other)]
        yield f"{name} in two folders with one cache", fault or next(filter(None, found), "")
        shutil.rmtree(root / f"cache-{name}", ignore_errors=True)
