variable "cluster_name" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "node_role_arn" {
  description = "IAM role of the nodes."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.node_role_arn))
    error_message = "node_role_arn: the ARN of an IAM role."
  }
}

variable "subnet_ids" {
  description = "Subnets of the nodes, one for each zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids: at least one."
  }
}

variable "name" {
  description = "Name of the pool; see ../pool."
  type        = string
  default     = "gpu"
}

variable "nodes" {
  description = "Fewest and most nodes; see ../pool."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 10 }
}

variable "disk_gib" {
  description = "Disk of a node; see ../pool."
  type        = number
  default     = 100
}

variable "instance_types" {
  description = "Instances with an NVIDIA card, in order of preference; an L4 or A10G is enough for the cascade."
  type        = list(string)
  default     = ["g6.2xlarge", "g5.2xlarge"]

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for one in var.instance_types : can(regex("^(g[4-9]|p[3-9])[a-z]*\\.", one))])
    error_message = "instance_types: at least one, of g4dn, g5, g6, p4d and the like."
  }
  validation {
    condition     = alltrue([for one in var.instance_types : !can(regex("^(g4ad|g5g)\\.", one))])
    error_message = "instance_types: g4ad has no NVIDIA card, and g5g is no x86-64."
  }
}

variable "spot" {
  description = "Whether nodes may be taken away at two minutes' notice; a pod needs less to end."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
