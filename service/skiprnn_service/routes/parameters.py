"""Parameters that several routes share."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import WithJsonSchema

# In a path or a query, which have no null: the document does not say that it may be one.
Model = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Model"})]
Version = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Version"})]
Gate = Annotated[
    Literal["every_sample"] | None,
    WithJsonSchema({"type": "string", "enum": ["every_sample"], "title": "Gate"}),
]
Column = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Column"}), Query(max_length=1024)]
Columns = Annotated[tuple[str, ...], Query(max_length=100, description="Separated by commas.")]
