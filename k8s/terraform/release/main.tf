# The chart as a release that is taken back when it does not come up.

terraform {
  required_version = ">= 1.9"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.1"
    }
  }
}

resource "helm_release" "awarenet" {
  name             = var.name
  namespace        = var.namespace
  create_namespace = true
  chart            = coalesce(var.chart, "${path.module}/../../../helm/awarenet")
  version          = var.chart_version
  values           = [for one in var.values : yamlencode(one)]

  atomic          = true
  cleanup_on_fail = true
  max_history     = 5
  # Longer than `progressDeadlineSeconds`, after which Kubernetes gives up.
  timeout = 1200
}
