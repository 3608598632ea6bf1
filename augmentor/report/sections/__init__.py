"""The sections of a page, in their order. Each is a function of the sources that gives None where they hold nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from augmentor.report.blocks import Section
from augmentor.report.sections.arms import arms
from augmentor.report.sections.confusion import confusion
from augmentor.report.sections.curves import curves
from augmentor.report.sections.data import data
from augmentor.report.sections.failures import failures
from augmentor.report.sections.fidelity import fidelity
from augmentor.report.sections.interpolations import interpolations
from augmentor.report.sections.lesions import lesions
from augmentor.report.sections.made import made
from augmentor.report.sections.pairs import pairs
from augmentor.report.sections.plane import plane
from augmentor.report.sections.reading import reading
from augmentor.report.sections.refused import refused
from augmentor.report.sections.training import training
from augmentor.report.sections.verdict import verdict
from augmentor.report.sources import Sources

SECTIONS: tuple[Callable[[Sources, Path], Section | None], ...] = (
    verdict,
    failures,
    arms,
    curves,
    confusion,
    lesions,
    pairs,
    plane,
    interpolations,
    training,
    fidelity,
    reading,
    refused,
    data,
    made,
)
