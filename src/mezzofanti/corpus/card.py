"""The dataset card: what is in a build, where it comes from, what was rejected, and which text a program wrote."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from mezzofanti.corpus.recipe import Recipe
from mezzofanti.corpus.report import BuildReport, Reject
from mezzofanti.corpus.selection import draw
from mezzofanti.files import write_text
from mezzofanti.records import Sample

__all__ = ["write_card"]

_SHOWN = 10
_SPDX = {"CC BY-SA 4.0": "cc-by-sa-4.0", "Apache-2.0": "apache-2.0", "CC0-1.0": "cc0-1.0", "MIT": "mit"}
_FRAME = """# {name}

{total} conversations in {languages}, in the `messages` form (`samples/<language>-<skill>.parquet`), with the source,
licence, address and teacher of each in its `lineage`. Settings: `recipe.yaml`. Every reply: `store.sqlite`.

## What is in it

{contents}

## Sources

{sources}

Text from a source keeps the source's licence. The title of an article is the end of its `lineage.passage_id`, its
address `lineage.url`: both must travel with every row that is passed on.

## Who wrote the text

{writers}

## What was rejected

{rejects}

## Samples, drawn at random

{samples}

## Rejected replies, drawn at random

{rejected}
"""


def write_card(
    path: Path, recipe: Recipe, samples: Sequence[Sample], rejects: Sequence[Reject], report: BuildReport
) -> None:
    """Write the card as Markdown with the YAML head that dataset hubs read. The same build gives the same bytes."""
    shown = draw(samples, _SHOWN, seed=recipe.seed, key=lambda sample: sample.id)
    replies = {
        f"{number} {reject.id}": reject for number, reject in enumerate(rejects) if reject.what == "reply"
    }
    drawn = draw(list(replies), _SHOWN, seed=recipe.seed, key=str)
    body = _FRAME.format(
        name=recipe.name,
        total=len(samples),
        languages=", ".join(recipe.languages),
        contents=_contents(samples),
        sources=_sources(report),
        writers=_writers(recipe, samples),
        rejects=_rejections(report),
        samples="\n\n".join(_sample(sample) for sample in shown) or "None.",
        rejected="\n\n".join(_reject(replies[name]) for name in drawn) or "None.",
    )
    write_text(path, f"---\n{_head(recipe, samples)}---\n\n{body}")


def _head(recipe: Recipe, samples: Sequence[Sample]) -> str:
    names = sorted({f"{sample.language}-{sample.skill}" for sample in samples})
    licences = sorted({_SPDX.get(sample.lineage.license, "other") for sample in samples})
    head = {
        "pretty_name": recipe.name,
        "language": list(recipe.languages),
        "license": licences,
        "task_categories": ["text-generation"],
        "tags": ["mezzofanti", "conversational"],
        "configs": [{"config_name": name, "data_files": f"samples/{name}.parquet"} for name in names],
    }
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _contents(samples: Sequence[Sample]) -> str:
    counted = Counter((sample.language, sample.skill, sample.lineage.source) for sample in samples)
    turns: Counter[tuple[str, str, str]] = Counter()
    for sample in samples:
        turns[sample.language, sample.skill, sample.lineage.source] += len(sample.messages) // 2
    rows = [(*place, number, f"{turns[place] / number:.2f}") for place, number in sorted(counted.items())]
    return (
        _table(("language", "skill", "source", "conversations", "mean turns"), rows)
        if rows
        else "Nothing was accepted."
    )


def _sources(report: BuildReport) -> str:
    rows = [
        (
            count.source,
            count.language,
            count.rows,
            ", ".join(f"{reason} {number}" for reason, number in count.left_out.items()) or "none",
            count.qualified,
            count.taken,
        )
        for count in report.sources
    ]
    head = ("source", "language", "rows", "left out", "passages that qualify", "taken")
    return _table(head, rows) if rows else "No passages were read."


def _writers(recipe: Recipe, samples: Sequence[Sample]) -> str:
    counted = Counter(
        (sample.skill, sample.lineage.teacher or "none", sample.lineage.template) for sample in samples
    )
    rows = [
        (skill, teacher, "a program, from templates" if template else "a model", number)
        for (skill, teacher, template), number in sorted(counted.items())
    ]
    note = (
        "The offline teacher's questions are template text; its answers are sentences, descriptions, topics and "
        "numbers of the passage, or the almanac's own. Stories are told in English from templates; an offline teacher "
        "retells them from parallel templates, another teacher translates them. What a model wrote was judged by "
        "rules alone, by no person."
    )
    return f"{_table(('skill', 'teacher', 'written by', 'conversations'), rows)}\n\n{note}" if rows else note


def _rejections(report: BuildReport) -> str:
    reasons = sorted(
        {*report.dropped, *report.rejected}, key=lambda name: (-report.dropped.get(name, 0), name)
    )
    rows = [(reason, report.rejected.get(reason, 0), report.dropped.get(reason, 0)) for reason in reasons]
    note = f"{report.trimmed} answers that ended at the token limit were cut to their last full sentence and kept."
    if not rows:
        return f"Nothing was rejected. {note}"
    table = _table(("reason", "replies rejected", "conversations given up"), rows)
    return f"{table}\n\nEach stands in `rejects.jsonl` with its text. {note}"


def _fenced(text: str) -> str:
    """Show text of others as text: nothing in it is read as Markdown."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _sample(sample: Sample) -> str:
    talk = "\n".join(f"{message.role}: {message.content}" for message in sample.messages)
    origin = f"{sample.lineage.source}, {sample.lineage.license}, {sample.lineage.url}".rstrip(", ")
    return f"{_fenced(f'[{sample.id}] {origin}')}\n\n{_fenced(talk)}"


def _reject(reject: Reject) -> str:
    return _fenced(f"[{reject.id}, turn {reject.turn}] {reject.reason}: {reject.detail}\n{reject.text}")
