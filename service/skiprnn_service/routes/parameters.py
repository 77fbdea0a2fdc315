"""Parameters that several routes share."""

from typing import Annotated

from pydantic import WithJsonSchema

# In a path or a query, which have no null: the document does not say that it may be one.
Model = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Model"})]
Version = Annotated[str | None, WithJsonSchema({"type": "string", "title": "Version"})]
