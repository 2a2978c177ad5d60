output "labels" {
  description = "Labels of the nodes."
  value       = local.labels
}

output "taint" {
  description = "Taint of the nodes, in Kubernetes' words; the chart tolerates it."
  value       = local.taint
}

output "values" {
  description = "Values of the chart that lead Triton's pods to the nodes."
  value = {
    profile = "gpu"
    triton  = { placement = { nodeSelector = local.labels, tolerations = var.tolerations } }
  }
}
