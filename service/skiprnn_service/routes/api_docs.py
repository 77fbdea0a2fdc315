"""`GET /docs`: Swagger UI of this server's routes, from files of this machine alone.

They are those of the package fastapi-offline; its own page has a script within it, which the content security policy
does not allow.
"""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter()

_HERE = Path(__file__).parents[1] / "api_page"


@router.get("/docs", include_in_schema=False)
async def page() -> FileResponse:
    """The page; `start.js` beside it starts Swagger UI."""
    return FileResponse(_HERE / "index.html")


def mount(app: FastAPI) -> None:
    """The files that the page names."""
    app.mount("/docs/swagger-ui", StaticFiles(directory=_swagger_ui()), name="swagger-ui")
    app.mount("/docs", StaticFiles(directory=_HERE), name="api-page")


def _swagger_ui() -> Path:
    """Found, not imported: the package imports more of FastAPI than a server needs."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'fastapi_offline'", name="fastapi_offline")
    return Path(spec.origin).with_name("static")
