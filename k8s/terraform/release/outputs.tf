output "service" {
  description = "Where the gateways are inside the cluster."
  value       = "${helm_release.awarenet.name}.${helm_release.awarenet.namespace}.svc"
}
