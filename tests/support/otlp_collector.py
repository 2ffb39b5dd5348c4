"""An OpenTelemetry collector, as far as a test needs one: OTLP over HTTP in, one JSON line per point out.

Run as a program: prints its port, then every data point that arrives.
"""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


def tell(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.points(metric)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def points(self, metric):
        for point in [*metric.histogram.data_points, *metric.gauge.data_points]:
            labels = {attribute.key: attribute.value.string_value for attribute in point.attributes}
            value = [point.count, point.sum] if metric.HasField("histogram") else [point.as_int]
            tell([metric.name, metric.unit, labels, *value])

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Collector)
    tell(server.server_port)
    server.serve_forever()
