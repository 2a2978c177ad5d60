"""The service as plain Kustomize, made from the Helm chart."""
