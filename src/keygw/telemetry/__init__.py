"""Figures and traces: the only importer of ``prometheus_client`` and ``opentelemetry``."""
