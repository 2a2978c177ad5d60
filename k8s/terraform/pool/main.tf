# What every pool of GPU nodes has in common: bounds that are checked, labels and a taint, and the values of the chart by
# which Triton's pods find the nodes. It needs no provider.

terraform {
  required_version = ">= 1.9"
}

locals {
  labels = tomap({ "awarenet.io/pool" = var.name })
  taint  = { key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" }
}
