"""Not Grafana: it answers /api/health with 200 when data sources and dashboards are where Grafana looks for them."""

import http.server
from pathlib import Path


class Health(http.server.BaseHTTPRequestHandler):
    """One route."""

    def do_GET(self) -> None:
        provisioned = list(Path("/etc/grafana/provisioning").rglob("*.y*ml"))
        dashboards = list(Path("/etc/grafana/dashboards").glob("*.json"))
        found = self.path == "/api/health" and provisioned and dashboards
        self.send_response(200 if found else 503)
        self.end_headers()


http.server.ThreadingHTTPServer(("", 3000), Health).serve_forever()
