"""From a recipe's sources to passages, whatever kind each source is."""

from __future__ import annotations

from mezzofanti.corpus.recipe import AlmanacSource, DocumentSource, Recipe
from mezzofanti.corpus.report import SourceCount
from mezzofanti.corpus.sources.documents import read_documents
from mezzofanti.records import Passage

__all__ = ["read_passages"]


def read_passages(recipe: Recipe) -> tuple[list[Passage], list[SourceCount]]:
    """Return the passages of every source in every language, in the recipe's order, with their counts."""
    passages: list[Passage] = []
    counts: list[SourceCount] = []
    for source in recipe.sources:
        for language in recipe.languages:
            found, count = _read(source, language, recipe.seed)
            passages.extend(found)
            counts.append(count)
    return passages, counts


def _read(
    source: AlmanacSource | DocumentSource, language: str, seed: int
) -> tuple[list[Passage], SourceCount]:
    if isinstance(source, DocumentSource):
        documents, tally = read_documents(source, language, seed)
        return list(documents), tally
    from mezzofanti.corpus.sources.almanac import Almanac

    passages = Almanac(language).passages(source.count, seed)
    size = len(passages)
    return passages, SourceCount(
        source="almanac", language=language, rows=size, left_out={}, qualified=size, taken=size
    )
