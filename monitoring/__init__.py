"""What watches the service: alerts, dashboards, and configurations of Prometheus, Alertmanager, logs and traces."""
