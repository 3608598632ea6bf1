"""`bench`: how fast this machine trains."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from augmentor.cli.console import err, out
from augmentor.cli.options import AsJson, Device, Size
from augmentor.progress import TerminalProgress


def bench(
    size: Size = 64,
    rounds: Annotated[int, typer.Option(help="Each figure is the mean of this many rounds.", min=1)] = 9,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Time training and sampling on made-up lesions, beside a textbook DCGAN and bare convolutions in the same run.

    Run it on an idle machine: beside another busy program two threads wait for each other.

    Example: `augmentor bench`
    """
    from augmentor.training.speed import measure_speed

    speed = measure_speed(size, rounds, device, TerminalProgress(err))
    if as_json:
        print(json.dumps(asdict(speed) | {"ratios": speed.ratios}, indent=1))
        return
    table = Table(f"{size}x{size}, {speed.threads} threads, {speed.precision}", "")
    for told, value in (
        ("training, images a second", f"{speed.images:.0f}"),
        ("a textbook DCGAN (64 base channels, float32)", f"{speed.textbook_images:.0f}"),
        ("arithmetic of training, GFLOP/s", f"{speed.flop_rate / 1e9:.0f}"),
        ("its convolutions alone, GFLOP/s", f"{speed.convolution_rate / 1e9:.0f}"),
        ("sampling, lesions a second", f"{speed.lesions:.0f}"),
        ("the bare forward pass", f"{speed.bare_lesions:.0f}"),
    ):
        table.add_row(told, value)
    table.add_section()
    for told, ratio in speed.ratios.items():
        table.add_row(f"ratio: {told}", f"{ratio:.2f}")
    out.print(table)
