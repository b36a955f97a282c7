"""What a learner learned, made ready for a server: its mixture as plain LoRA folders, one a language.

`fold_by` in `folds` is the path through this room: `source` says where the mixture lies and what its learner
remembers, `speech` how it was spoken to, `rows` which rows a fold is calibrated and measured on, `report` what is said
at the end. Folding itself is `mezzofanti.adapters.fold`.
"""

from __future__ import annotations

from mezzofanti.continual.serving.folds import fold_by
from mezzofanti.continual.serving.report import FoldReport
from mezzofanti.continual.serving.source import Source, open_source

__all__ = ["FoldReport", "Source", "fold_by", "open_source"]
