"""Parameters that several routes share."""

from typing import Annotated, Literal

from pydantic import WithJsonSchema

# In a path or a query, which have no null: the document does not say that it may be one.
Model = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Model"})]
Version = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Version"})]
Gate = Annotated[
    Literal["every_sample"] | None,
    WithJsonSchema({"type": "string", "enum": ["every_sample"], "title": "Gate"}),
]
