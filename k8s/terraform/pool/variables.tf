variable "name" {
  description = "Name of the pool; twelve letters and digits, which is all that AKS takes."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,11}$", var.name))
    error_message = "name: 1 to 12 lower-case letters and digits, a letter first."
  }
}

variable "nodes" {
  description = "Fewest and most nodes; the cluster's autoscaler moves between them. Two at least, so that one may go."
  type        = object({ min = number, max = number })

  validation {
    condition     = floor(var.nodes.min) == var.nodes.min && floor(var.nodes.max) == var.nodes.max
    error_message = "nodes: whole numbers."
  }
  validation {
    condition     = 0 <= var.nodes.min && var.nodes.min <= var.nodes.max && 1 <= var.nodes.max
    error_message = "nodes: min from 0 to max, max at least 1."
  }
}

variable "disk_gib" {
  description = "Disk of a node; Triton's image alone is some 20 GiB."
  type        = number

  validation {
    condition     = var.disk_gib >= 60 && var.disk_gib <= 2000
    error_message = "disk_gib: from 60 to 2000."
  }
}

variable "tolerations" {
  description = "Tolerations for taints that a cloud adds by itself, beside that of the GPU, which the chart has."
  type        = list(object({ key = string, operator = string, value = string, effect = string }))
  default     = []
}
