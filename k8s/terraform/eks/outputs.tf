output "values" {
  description = "Values of the chart that lead Triton's pods to the nodes."
  value       = module.pool.values
}
