"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Query
from pydantic import WithJsonSchema

# In a path or a query, which have no null: the document does not say that it may be one.
Model = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Model"})]
Version = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Version"})]
Column = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Column"}), Query(max_length=1024)]
Columns = Annotated[tuple[str, ...], Query(max_length=100, description="Separated by commas.")]
