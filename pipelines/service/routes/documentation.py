"""`/docs`: the OpenAPI document as a page. Everything it needs is served from here, nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import Response
from fastapi.responses import HTMLResponse

from pipelines.service.errors import ServiceError
from pipelines.service.routing import router as make_router

router = make_router(tag="documentation")
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Crosswalk</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none", validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""


@router.get("/docs", include_in_schema=False)
async def page() -> HTMLResponse:
    """The page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/{name}", include_in_schema=False)
def asset(name: str) -> Response:
    """What the page loads: Swagger UI, from the package `fastapi-offline`."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in ASSETS:
        raise ServiceError(404, "Not Found")
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})
